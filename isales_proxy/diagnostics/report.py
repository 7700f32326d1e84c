"""A doctor's report in words, for the page and as plain text for the vendor's support.

The language is the one in force. The plain text leaves out the vendor's own sentences, too: nobody
can tell what they quote.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from isales_proxy import problems
from isales_proxy.client.config import ObsAuth
from isales_proxy.client.errors import (
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    TimedOut,
    Unreachable,
)
from isales_proxy.client.operations import LIST_OUTBOUND_TASKS
from isales_proxy.diagnostics import answers, causes
from isales_proxy.diagnostics.findings import (
    ClockDifference,
    InterfaceFinding,
    InterfaceStatus,
    Report,
    SettingsFinding,
)

_CLOCK_WORRY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Fact:
    """One line. `name` is stable, `tone` is "", "good", "warn" or "bad"."""

    name: str
    label: str
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and its facts. `standing` is that of an interface, else ""."""

    name: str
    title: str
    facts: tuple[Fact, ...]
    address: str = ""
    standing: str = ""
    asked_at: datetime | None = None


def headline(report: Report) -> str:
    """How it went, in a sentence or two."""
    asked = [
        each for each in report.interfaces if each.standing is not InterfaceStatus.NO_CREDENTIALS
    ]
    good = [each for each in asked if each.answered]
    told = ngettext(
        "%(good)s of %(all)s interface answered.",
        "%(good)s of %(all)s interfaces answered.",
        len(asked),
    ) % {"good": len(good), "all": len(asked)}
    odd = [each.vendor_page for each in good if not each.as_documented]
    if odd:
        told += " " + _("Differs from the documentation: %(pages)s.") % {"pages": _("; ").join(odd)}
    elif good:
        told += " " + _("What answered is as documented.")
    return told


def sections(report: Report, *, quoting: bool = False) -> tuple[Section, ...]:
    """All of the report; with `quoting` the vendor's own sentences, too."""
    return (
        *(_interface(each, quoting=quoting) for each in report.interfaces),
        _probes(report),
        _token(report),
        settings_section(report.in_effect),
    )


def text(report: Report) -> str:
    """The report as lines to be copied, without anything personal or secret."""
    lines = [
        _("Callboard API doctor"),
        _("VDN %(vdn)s, examined %(time)s UTC") % {"vdn": report.vdn_id, "time": _utc(report.at)},
        ", ".join(report.versions),
        headline(report),
    ]
    for section in sections(report):
        lines += ["", section.title]
        if section.address:
            lines.append(f"  {section.address}")
        if section.asked_at:
            lines.append("  " + _("asked at %s UTC") % _utc(section.asked_at))
        lines += [f"  {fact.label}: {fact.text}" for fact in section.facts]
    return "\n".join(lines) + "\n"


def failure(examined: InterfaceFinding) -> str:
    """Why one interface failed, in a line without the vendor's own words."""
    return f"{examined.vendor_page}: {' '.join(_reasons(examined, quoting=False))}"


def _interface(found: InterfaceFinding, *, quoting: bool) -> Section:
    return Section(
        name=found.operation,
        title=found.vendor_page,
        facts=tuple(_interface_facts(found, quoting=quoting)),
        address=f"{found.method} {found.path}" if found.path else "",
        standing=found.standing.value,
        asked_at=found.asked_at,
    )


def _interface_facts(found: InterfaceFinding, *, quoting: bool) -> Iterator[Fact]:
    outcome, *explanation = _reasons(found, quoting=quoting)
    tone = "good" if found.answered else "bad" if found.failed else "warn"
    yield Fact("outcome", _("Outcome"), outcome, tone)
    if explanation:
        yield Fact("explanation", _("Explanation"), " ".join(explanation))
    if found.ms is not None:
        yield Fact("latency", _("Answer time"), _("%s ms") % found.ms)
    if found.calls > 1:
        yield Fact("calls", _("Requests"), str(found.calls), "warn")
    if found.http_status is not None:
        yield Fact("status", _("HTTP status"), str(found.http_status))
    if found.answered:
        yield Fact("envelope", _("Envelope"), *_envelope(found))
    if found.answered or found.clock:
        yield Fact("clock", _("Vendor's clock"), *_clock(found.clock))
    if found.rows is not None:
        yield Fact("rows", _("Rows"), _rows(found))
    if found.rows is not None or found.drift:
        yield Fact("fields", _("Fields"), *_fields(found))
    if found.request_id:
        yield Fact("request", _("Our request ID"), found.request_id)


def _reasons(found: InterfaceFinding, *, quoting: bool) -> list[str]:
    """The outcome first, then what there is to say about it."""
    if found.standing is InterfaceStatus.ANSWERED:
        return [_("answered")]
    if found.standing is InterfaceStatus.NO_CREDENTIALS:
        return [_("not asked"), _("No OBS credentials are set.")]
    if found.standing is InterfaceStatus.KEYS_CLOSED:
        return [
            _("not asked"),
            _("The VDN's own keys were sealed with another SECRET_KEY. Enter them again."),
        ]
    if found.standing is InterfaceStatus.NO_TOKEN:
        return [_("not asked"), _("No token was got.")]
    if found.error is None:
        return [_("failed")]
    problem = problems.describe(found.error if quoting else without_words(found.error))
    return [problem.title, problem.detail, *_causes(found.error)]


def _causes(error: ISalesError) -> Iterator[str]:
    """What the client knows of the cause, and what an admin may do about it."""
    if error.sentence != error.default_sentence:
        yield causes.translate_cause(error.sentence)
    if isinstance(error, CredentialsRefused):
        yield _("Check the keys and the clock of this server.")
    elif isinstance(error, Misdirected):
        yield _("Check the addresses that are set.")
    elif isinstance(error, Unreachable | TimedOut):
        yield _("Check address, network and certificates, and the vendor's own state.")


def without_words(error: ISalesError) -> ISalesError:
    """The same error without the vendor's own sentence."""
    if not isinstance(error, Refused):
        return error
    bare = copy.copy(error)
    bare.vendor_sentence = ""
    return bare


def _envelope(found: InterfaceFinding) -> tuple[str, str]:
    if not found.shape:
        return _("unknown"), ""
    if found.shape_documented:
        return found.shape, ""
    return (
        _("%(found)s (documented: %(documented)s)")
        % {"found": found.shape, "documented": found.documented},
        "warn",
    )


def _clock(clock: ClockDifference | None) -> tuple[str, str]:
    """Whole seconds: the header tells no smaller ones."""
    if clock is None:
        return _("The answer tells no time."), ""
    seconds, within = round(abs(clock.seconds)), clock.within
    if abs(clock.seconds) <= within:
        return _("the same as ours, within %.1f s") % within, "good"
    tone = "warn" if abs(clock.seconds) > _CLOCK_WORRY_SECONDS else ""
    facts = {"span": span(seconds), "within": f"{within:.1f}"}
    if clock.seconds > 0:
        return _("%(span)s ahead of ours, within %(within)s s") % facts, tone
    return _("%(span)s behind ours, within %(within)s s") % facts, tone


def _rows(found: InterfaceFinding) -> str:
    if found.total is None:
        return str(found.rows)
    return _("%(rows)s of %(total)s") % {"rows": found.rows, "total": found.total}


def _fields(found: InterfaceFinding) -> tuple[str, str]:
    if not found.drift:
        if not found.rows:
            return _("no row to compare"), ""
        return _("as documented"), "good"
    labels = {
        "unknown": _("never documented"),
        "missing": _("missing"),
        "retyped": _("of another type than documented"),
        "unreadable": _("unreadable"),
        "oversize": _("more rows than asked for"),
        "too_small": _("a total smaller than the rows"),
    }
    named: dict[str, list[str]] = {}
    for field, kind in found.drift:
        named.setdefault(kind, []).append(field)
    parts = [
        f"{labels.get(kind, kind)}: {', '.join(dict.fromkeys(fields))}"
        for kind, fields in sorted(named.items())
    ]
    return _("; ").join(parts), "warn"


def _probes(report: Report) -> Section:
    facts = tuple(
        Fact(name, label, words, tone)
        for name, label, words, tone in answers.describe_probes(
            report.probes,
            wished=report.probing,
            max_page_size=report.in_effect.max_page_size,
        )
    )
    return Section("probes", _("What the documents leave open (reservations)"), facts)


def _token(report: Report) -> Section:
    title = _("Token of the OBS interfaces")
    if report.token is None:
        unset = any(
            each.standing is InterfaceStatus.NO_CREDENTIALS
            for each in report.interfaces
            if each.operation == LIST_OUTBOUND_TASKS.name
        )
        fixed = report.in_effect.obs_auth == ObsAuth.STATIC and not unset
        words = _("fixed, its times are not known") if fixed else _("none")
        return Section("token", title, (Fact("token", _("Token"), words),))
    left = report.token.left
    ends = _("its end is not known") if left is None else span(round(max(0.0, left)))
    facts = (
        Fact("age", _("Issued"), _("%s ago") % span(round(max(0.0, report.token.age)))),
        Fact("left", _("Time left"), ends, "bad" if left is not None and left <= 0 else ""),
    )
    return Section("token", title, facts)


def settings_section(found: SettingsFinding) -> Section:
    """The settings in effect."""
    obs = _address(found.obs) if found.obs else _("the same")
    campaigns = _("built-in simulator") if found.demo else _address(found.campaigns)
    auth = {
        "app": _("app key (tokenByAkSk)"),
        "login": _("log-in (obs/auth/login)"),
        "static": _("fixed token"),
    }
    keys = _("shared by all VDNs")
    if found.own_keys:
        keys = _("own of this VDN: %(names)s") % {"names": ", ".join(found.own_keys)}
    facts = (
        Fact("campaigns", _("Campaign address"), campaigns),
        Fact("obs", _("OBS address"), obs),
        Fact("auth", _("OBS authentication"), auth.get(found.obs_auth, found.obs_auth)),
        Fact("header", _("Token header"), found.header),
        Fact("keys", _("Keys in use"), keys),
        Fact(
            "authorities",
            _("Certificate authorities"),
            _("own bundle") if found.own_ca else _("those of the system"),
        ),
        Fact(
            "timeouts",
            _("Timeouts"),
            _("connect %(connect)s s, read %(read)s s, whole call %(whole)s s")
            % {
                "connect": f"{found.connect_timeout:g}",
                "read": f"{found.read_timeout:g}",
                "whole": f"{found.deadline:g}",
            },
        ),
        Fact("patience", _("Time for call data"), _("%s s") % f"{found.longest_call:g}"),
        Fact("page", _("Largest page asked for"), str(found.max_page_size)),
        Fact("cache", _("Answers kept for"), _("%s s") % f"{found.page_cache_seconds:g}"),
        Fact("cc", "subCCNo", str(found.cc_id)),
        Fact("times", _("Times written back"), f"{found.time_format} ({found.time_format_zone})"),
    )
    return Section("settings", _("Settings in effect"), facts)


def _address(kind: str) -> str:
    scheme, _colon, port = kind.partition(":")
    if port:
        return _("%(scheme)s, port given") % {"scheme": scheme}
    return _("%(scheme)s, usual port") % {"scheme": scheme}


def span(seconds: int) -> str:
    """`45 s`, `58 min`, `3 h`."""
    if seconds < 120:
        return _("%s s") % seconds
    if seconds < 7200:
        return _("%s min") % (seconds // 60)
    return _("%s h") % (seconds // 3600)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
