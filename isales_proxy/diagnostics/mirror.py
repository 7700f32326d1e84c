"""The mirror of a VDN as a section of the API doctor's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from isales_proxy.diagnostics.interfaces import format_span
from isales_proxy.diagnostics.report import Fact, Section, Text
from isales_proxy.mirror.guard import ROUNDS
from isales_proxy.mirror.mirror_status import MirrorStatus, Tier
from isales_proxy.mirror.round_reasons import describe_reason
from isales_proxy.models import MirrorState

FormatTime = Callable[[datetime], str]

_STALE_INTERVALS: Final = 3
_FAR_OFF: Final = 5_000  # ms
_COLUMNS: Final[dict[str, str | Promise]] = {
    "": gettext_lazy("not known yet"),
    "appointTime": "appointTime",
    "createTime": "createTime",
    "agent": gettext_lazy("neither time: it is read agent by agent"),
}
_MATCHES: Final[dict[str, tuple[str | Promise, str]]] = {
    "": (gettext_lazy("not known yet"), ""),
    "exact": (gettext_lazy("exact"), "good"),
    "found": (gettext_lazy("a row is found by its own number"), "good"),
    "partial": (gettext_lazy("also parts of a number"), "good"),
    "refused": (gettext_lazy("refused: a missing row needs two readings to be gone"), "warn"),
    "not-found": (
        gettext_lazy("does not find: a missing row needs two readings to be gone"),
        "warn",
    ),
}


def build_mirror_section(status: MirrorStatus, format_time: FormatTime) -> Section:
    """Describe the mirror in facts of which those that need somebody have a tone."""
    state = status.state
    facts = [_describe_switch(status), _describe_round(state, format_time)]
    facts += _describe_tiers(status)
    facts += [
        _describe_calls(status),
        _describe_counts(status),
        _describe_guard(state, format_time),
        _describe_proof(state, status.now),
        *_describe_findings(state),
    ]
    return Section("mirror", _("Mirror of the reservations"), tuple(facts))


def _describe_switch(status: MirrorStatus) -> Fact:
    label = _("Mirror")
    if not status.state.enabled:
        return Fact("switch", label, _("switched off: every list is read live"))
    if status.is_led:
        return Fact("switch", label, _("on, being read"), "good")
    text = _("on, but run_mirror is not running")
    return Fact("switch", label, text, "bad")


def _describe_round(state: MirrorState, format_time: FormatTime) -> Fact:
    label = _("Last complete round")
    if state.round_ended_at is None:
        if state.round_began_at is None:
            return Fact("round", label, _("none yet"), "warn")
        read = number_format(state.rows_read, force_grouping=True)
        if state.rows_expected is None:
            return Fact("round", label, _("the first one runs: %s rows read") % read, "warn")
        expected = number_format(state.rows_expected, force_grouping=True)
        text = _("the first one runs: %(read)s of %(expected)s rows read")
        return Fact("round", label, text % {"read": read, "expected": expected}, "warn")
    at, rows = (
        format_time(state.round_ended_at),
        number_format(state.rows_read, force_grouping=True),
    )
    if state.round_complete:
        text = _("%(time)s: complete, %(rows)s rows") % {"time": at, "rows": rows}
        return Fact("round", label, text, "good")
    text = _("%(time)s: not complete (%(reason)s)") % {
        "time": at,
        "reason": describe_reason(state.round_reason),
    }
    return Fact("round", label, text, "warn")


def _describe_tiers(status: MirrorStatus) -> Iterator[Fact]:
    for tier in status.tiers:
        label = _("Read every %s") % format_span(tier.interval)
        yield Fact(f"tier-{tier.interval}", label, *_describe_tier(tier, status))


def _describe_tier(tier: Tier, status: MirrorStatus) -> tuple[Text, str]:
    text = ngettext("%(count)s part", "%(count)s parts", tier.leaves) % {"count": tier.leaves}
    if tier.unread:
        return _("%(parts)s, %(unread)s not read yet") % {
            "parts": text,
            "unread": tier.unread,
        }, "warn"
    if tier.oldest is None or tier.newest is None:
        return text, ""
    ages = [max(0, round((status.now - at).total_seconds())) for at in (tier.newest, tier.oldest)]
    newest, oldest = (str(format_span(age)) for age in ages)
    if newest == oldest:
        text = _("%(parts)s, %(oldest)s old") % {"parts": text, "oldest": oldest}
    else:
        values = {"parts": text, "newest": newest, "oldest": oldest}
        text = _("%(parts)s, %(newest)s to %(oldest)s old") % values
    is_late = ages[1] > _STALE_INTERVALS * tier.interval and status.state.enabled
    return text, "warn" if is_late else "good"


def _describe_calls(status: MirrorStatus) -> Fact:
    values = {
        "calls": number_format(status.calls_a_minute, 1),
        "budget": status.budget,
        "people": number_format(status.calls.by_people / 10, 1),
    }
    text = _("%(calls)s of %(budget)s allowed (%(people)s for people)") % values
    tone = "" if status.calls.free > 0 else "warn"
    return Fact("calls", _("Calls per minute, last ten minutes"), text, tone)


def _describe_counts(status: MirrorStatus) -> Fact:
    label, state, agree = _("Totals match"), status.state, status.counts_agree
    if agree is None:
        return Fact("counts", label, _("not counted yet"))
    values = {
        name: number_format(getattr(state, f"count_{name}"), force_grouping=True)
        for name in ("total", "before", "within", "after", "undated")
    }
    text = _("%(total)s = %(before)s before + %(within)s within + %(after)s after + %(undated)s"
             " without a time")  # fmt: skip
    if agree:
        return Fact("counts", label, text % values, "good")
    text = _(
        "CC-iSales counts %(total)s, but %(before)s before + %(within)s within + %(after)s after"
        " + %(undated)s without a time"
    )
    return Fact("counts", label, text % values, "bad")


def _describe_guard(state: MirrorState, format_time: FormatTime) -> Fact:
    label = _("Missing, unconfirmed")
    if not state.guard_rows or state.guard_since is None:
        return Fact("guard", label, _("none"), "good")
    rows = ngettext("%(count)s row", "%(count)s rows", state.guard_rows) % {
        "count": number_format(state.guard_rows, force_grouping=True)
    }
    if state.guard_confirmed_at is not None:
        text = _("%(rows)s; those missing by %(time)s are confirmed, removed at the next reading")
        at = format_time(state.guard_confirmed_at)
        return Fact("guard", label, text % {"rows": rows, "time": at}, "warn")
    text = _("%(rows)s since %(time)s, missing in %(done)s of %(needed)s complete rounds")
    values = {
        "rows": rows,
        "time": format_time(state.guard_since),
        "done": min(state.guard_rounds, ROUNDS),
        "needed": ROUNDS,
    }
    return Fact("guard", label, text % values, "bad")


def _describe_proof(state: MirrorState, now: datetime) -> Fact:
    label = _("Compared with live rows of the last day")
    compared, agreed = state.sum_comparisons(now)
    if not compared:
        return Fact("proof", label, _("nothing yet"))
    text = _("agreed with %(agreed)s of %(all)s rows") % {
        "agreed": number_format(agreed, force_grouping=True),
        "all": number_format(compared, force_grouping=True),
    }
    return Fact("proof", label, text, "good" if agreed == compared else "")


def _describe_findings(state: MirrorState) -> Iterator[Fact]:
    column = _COLUMNS.get(state.column, state.column)
    yield Fact(
        "column", _("Time range filters by"), column, "warn" if state.column == "agent" else ""
    )
    cap = str(state.page_cap) if state.page_cap else _("not known yet")
    yield Fact("page-cap", _("Largest page"), cap)
    yield Fact(
        "number-match",
        _("calledNo matches"),
        *_MATCHES.get(state.number_match, (state.number_match, "")),
    )
    if state.totals_wrong:
        text = _("wrong, so each part is read twice")
        yield Fact("totals", _("Totals of CC-iSales"), text, "warn")
    if state.vendor_offset_ms is not None:
        seconds = timedelta(milliseconds=abs(state.vendor_offset_ms)).total_seconds()
        text = _("%s s before ours") if state.vendor_offset_ms < 0 else _("%s s after ours")
        tone = "warn" if abs(state.vendor_offset_ms) > _FAR_OFF else ""
        yield Fact("clock", _("Clock of CC-iSales"), text % number_format(seconds, 1), tone)
