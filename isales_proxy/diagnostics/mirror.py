"""The mirror of a VDN as a section of the API doctor's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from isales_proxy.diagnostics.report import Answer, Fact, Section, format_span
from isales_proxy.mirror.mirror_status import LeafGroup, MirrorStatus
from isales_proxy.mirror.missing_rows import GUARD_ROUNDS
from isales_proxy.mirror.round_reasons import describe_reason
from isales_proxy.models import MirrorState

_MAX_INTERVALS: Final = 3
_MAX_CLOCK_OFFSET: Final = timedelta(seconds=5)
_COLUMNS: Final[dict[str, Answer]] = {
    "": (gettext_lazy("not known yet"), ""),
    "agent": (gettext_lazy("neither time: it is read agent by agent"), "warn"),
}
_MATCHES: Final[dict[str, Answer]] = {
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


def build_mirror_section(status: MirrorStatus, format_time: Callable[[datetime], str]) -> Section:
    """Describe the mirror; facts that are good or need attention have a tone."""
    state = status.state
    column = _COLUMNS.get(state.column, (state.column, ""))
    match = _MATCHES.get(state.number_match, (state.number_match, ""))
    facts = [
        Fact("switch", _("Mirror"), *_describe_switch(status)),
        Fact("round", _("Last complete round"), *_describe_round(state, format_time)),
        *(_describe_group(group, status) for group in status.groups),
        Fact("calls", _("Calls per minute, last ten minutes"), *_describe_calls(status)),
        Fact("counts", _("Totals match"), *_describe_counts(status)),
        Fact("guard", _("Missing, unconfirmed"), *_describe_guard(state, format_time)),
        Fact("proof", _("Compared with live rows of the last day"), *_describe_comparisons(status)),
        Fact("column", _("Time range filters by"), *column),
        Fact("page-cap", _("Largest page"), str(state.page_cap or _("not known yet"))),
        Fact("number-match", _("calledNo matches"), *match),
    ]
    if state.totals_wrong:
        text = _("wrong, so each part is read twice")
        facts.append(Fact("totals", _("Totals of CC-iSales"), text, "warn"))
    if state.vendor_offset_ms is not None:
        clock = _describe_clock(timedelta(milliseconds=state.vendor_offset_ms))
        facts.append(Fact("clock", _("Clock of CC-iSales"), *clock))
    return Section("mirror", _("Mirror of the reservations"), tuple(facts))


def _describe_switch(status: MirrorStatus) -> Answer:
    if not status.state.enabled:
        return _("switched off: every list is read live"), ""
    if status.is_led:
        return _("on, being read"), "good"
    return _("on, but run_mirror is not running"), "bad"


def _describe_round(state: MirrorState, format_time: Callable[[datetime], str]) -> Answer:
    rows = _format_count(state.rows_read)
    if state.round_ended_at is not None:
        time = format_time(state.round_ended_at)
        if state.round_complete:
            return _("%(time)s: complete, %(rows)s rows") % {"time": time, "rows": rows}, "good"
        values = {"time": time, "reason": describe_reason(state.round_reason)}
        return _("%(time)s: not complete (%(reason)s)") % values, "warn"
    if state.round_began_at is None:
        return _("none yet"), "warn"
    if state.rows_expected is None:
        return _("the first one runs: %s rows read") % rows, "warn"
    values = {"read": rows, "expected": _format_count(state.rows_expected)}
    return _("the first one runs: %(read)s of %(expected)s rows read") % values, "warn"


def _describe_group(group: LeafGroup, status: MirrorStatus) -> Fact:
    interval = timedelta(seconds=group.interval)
    name, label = f"tier-{group.interval}", _("Read every %s") % format_span(interval)
    parts = ngettext("%(count)s part", "%(count)s parts", group.leaves) % {"count": group.leaves}
    if group.unread:
        text = _("%(parts)s, %(unread)s not read yet") % {"parts": parts, "unread": group.unread}
        return Fact(name, label, text, "warn")
    if group.oldest is None or group.newest is None:
        return Fact(name, label, parts)
    age = status.now - group.oldest
    newest, oldest = format_span(status.now - group.newest), format_span(age)
    text = _("%(parts)s, %(newest)s to %(oldest)s old")
    if newest == oldest:
        text = _("%(parts)s, %(oldest)s old")
    is_late = age > _MAX_INTERVALS * interval and status.state.enabled
    values = {"parts": parts, "newest": newest, "oldest": oldest}
    return Fact(name, label, text % values, "warn" if is_late else "good")


def _describe_calls(status: MirrorStatus) -> Answer:
    values = {
        "calls": number_format(status.calls_a_minute, 1),
        "budget": status.budget,
        "people": number_format(status.calls.by_people / 10, 1),
    }
    text = _("%(calls)s of %(budget)s allowed (%(people)s for people)") % values
    return text, "" if status.calls.free > 0 else "warn"


def _describe_counts(status: MirrorStatus) -> Answer:
    if status.counts_agree is None:
        return _("not counted yet"), ""
    names = ("total", "before", "within", "after", "undated")
    values = {name: _format_count(getattr(status.state, f"count_{name}")) for name in names}
    text = _(
        "CC-iSales counts %(total)s, but %(before)s before + %(within)s within + %(after)s after"
        " + %(undated)s without a time"
    )
    if status.counts_agree:
        text = _(
            "%(total)s = %(before)s before + %(within)s within + %(after)s after + %(undated)s"
            " without a time"
        )
    return text % values, "good" if status.counts_agree else "bad"


def _describe_guard(state: MirrorState, format_time: Callable[[datetime], str]) -> Answer:
    if not state.guard_rows or state.guard_since is None:
        return _("none"), "good"
    rows = ngettext("%(count)s row", "%(count)s rows", state.guard_rows) % {
        "count": _format_count(state.guard_rows)
    }
    time = format_time(state.guard_confirmed_at or state.guard_since)
    if state.guard_confirmed_at is not None:
        text = _("%(rows)s; those missing by %(time)s are confirmed, removed at the next reading")
        return text % {"rows": rows, "time": time}, "warn"
    text = _("%(rows)s since %(time)s, missing in %(done)s of %(needed)s complete rounds")
    done = min(state.guard_rounds, GUARD_ROUNDS)
    return text % {"rows": rows, "time": time, "done": done, "needed": GUARD_ROUNDS}, "bad"


def _describe_comparisons(status: MirrorStatus) -> Answer:
    compared, agreed = status.state.sum_comparisons(status.now)
    if not compared:
        return _("nothing yet"), ""
    values = {"agreed": _format_count(agreed), "all": _format_count(compared)}
    text = _("agreed with %(agreed)s of %(all)s rows") % values
    return text, "good" if agreed == compared else ""


def _describe_clock(offset: timedelta) -> Answer:
    text = _("%s s before ours") if offset < timedelta() else _("%s s after ours")
    seconds = number_format(abs(offset).total_seconds(), 1)
    return text % seconds, "warn" if abs(offset) > _MAX_CLOCK_OFFSET else ""


def _format_count(count: int) -> str:
    return number_format(count, force_grouping=True)
