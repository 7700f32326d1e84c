"""The API doctor: call each read-only interface once, and report what differs from the documents.

Call data is never read and no result is written back: both change the vendor's data.
"""

from __future__ import annotations

import platform
import ssl
import time
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.client import Client
from isales_proxy.client.errors import ISalesError, KeysMissing, KeysUnreadable
from isales_proxy.client.operations import OPERATIONS
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery, ResultCodeQuery
from isales_proxy.client.records import Reservation
from isales_proxy.client.tokens import TokenState
from isales_proxy.core import locks
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.diagnostics import probes
from isales_proxy.diagnostics.interfaces import CallLog, Outcome, build_section, format_span
from isales_proxy.diagnostics.report import Fact, InterfaceStatus, Report, Section, Text, fill
from isales_proxy.models import AuditAction, MirrorState, Vdn
from isales_proxy.vendor import gateway, vdn_keys

MAX_SECONDS: Final = 60.0
ROWS: Final = 10
_LOCK_SECONDS: Final = 90
_REPORT_KEY: Final = "doctor:report:%d"
_KEEP: Final = timedelta(days=30)
_Call = Callable[[Client, Vdn, float], Any]
_CALLS: Final[dict[str, _Call]] = {
    "list_reservations": lambda client, vdn, deadline: client.list_reservations(
        vdn=vdn.pk, query=ReservationQuery(size=ROWS), deadline=deadline
    ),
    "list_result_codes": lambda client, vdn, deadline: client.list_result_codes(
        vdn=vdn.pk, query=ResultCodeQuery(size=ROWS), deadline=deadline
    ),
    "list_outbound_tasks": lambda client, vdn, deadline: client.list_outbound_tasks(
        vdn=vdn.pk, cc_id=vdn.cc_id, deadline=deadline
    ),
}
_TOKEN_CALLS: Final = ("fetch_token", "log_in", "refresh_token")
_OPERATIONS: Final = {each.name: each for each in OPERATIONS}
# VDNs and call centre are those of the database; the environment only seeds them.
_SEEDS: Final = {"cc_id", "vdns"}
_CONCEALED: Final = {"access_key", "secret_key", "app_key", "app_secret", "token", "ca_bundle"}


def run_check(*, scope: Scope) -> Report:
    """Run a check with probes for a person, and keep the report for the page.

    Raises PermissionMissing and AlreadyRunning. Failures of the vendor are in the report.
    """
    scope.require(Permission.EXAMINE_VENDOR)
    report = run_check_unattended(vdn=scope.vdn, by=scope, with_probes=True)
    cache.set(_REPORT_KEY % scope.vdn.pk, report, _KEEP.total_seconds())
    return report


def get_last_report(*, scope: Scope) -> Report | None:
    """Return the last report of this VDN that a person asked for."""
    scope.require(Permission.EXAMINE_VENDOR)
    report: Report | None = cache.get(_REPORT_KEY % scope.vdn.pk)
    return report


def run_check_unattended(
    *,
    vdn: Vdn,
    by: Scope | None = None,
    with_probes: bool = False,
    clock: Callable[[], datetime] = timezone.now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Report:
    """Call each read-only interface once; with probes, query the reservations further.

    No call begins after `MAX_SECONDS`. Raises AlreadyRunning and SimulatorRefused.
    """
    gateway.ensure_allowed()
    with locks.hold_lock(f"doctor:turn:{vdn.pk}", seconds=_LOCK_SECONDS):
        audit.record(
            AuditAction.VENDOR_EXAMINED,
            by=by,
            vdn_id=vdn.pk,
            subject=f"VDN {vdn.pk}",
            probes=with_probes,
        )
        started, log, probed, token = clock(), CallLog(clock), None, None
        try:
            client = gateway.create_diagnostic_client(vdn, log)
        except KeysUnreadable as error:
            outcomes = dict.fromkeys(_CALLS, Outcome(InterfaceStatus.FAILED, error))
        else:
            ends = monotonic() + MAX_SECONDS
            with client:
                outcomes, probed = _call_interfaces(
                    client,
                    vdn,
                    log,
                    lambda: max(0.0, min(get_isales_settings().deadline, ends - monotonic())),
                    with_probes=with_probes,
                )
                token = client.token_state()
        if probed is not None:
            _tell_mirror(vdn, probed)
        return Report(
            vdn_id=vdn.pk,
            at=started,
            by=by.username if by else "",
            versions=_get_versions(),
            interfaces=tuple(
                build_section(_OPERATIONS[name], found, log) for name, found in outcomes.items()
            ),
            details=(
                probed or probes.build_section(None, requested=with_probes),
                *([_build_token_section(token, clock())] if token else []),
                build_settings_section(vdn),
            ),
        )


def _call_interfaces(
    client: Client, vdn: Vdn, log: CallLog, remaining: Callable[[], float], *, with_probes: bool
) -> tuple[dict[str, Outcome], Section | None]:
    """Call each interface, `remaining` seconds at most; return the outcomes, and the probes."""
    outcomes = {name: _call(call, client, vdn, remaining()) for name, call in _CALLS.items()}
    tasks = outcomes.pop("list_outbound_tasks")
    for each in filter(log.attempts.__getitem__, _TOKEN_CALLS):
        received = log.attempts[each][-1].outcome == "ok"
        outcomes[each] = Outcome() if received else Outcome(InterfaceStatus.FAILED, tasks.error)
    outcomes["list_outbound_tasks"] = tasks
    first = outcomes["list_reservations"].answer
    if not with_probes or not isinstance(first, Page):
        return outcomes, None

    def list_reservations(query: ReservationQuery, deadline: float) -> Page[Reservation]:
        return client.list_reservations(vdn=vdn.pk, query=query, deadline=deadline)

    return outcomes, probes.run_probes(list_reservations, first=first, remaining=remaining)


def _tell_mirror(vdn: Vdn, probed: Section) -> None:
    """Store the column of the time range for a mirror that has not found it out itself yet."""
    found = next((fact.text for fact in probed.facts if fact.name == "range"), "")
    if found in {"appointTime", "createTime"}:
        MirrorState.objects.filter(vdn=vdn, column="").update(column=found)


def _call(call: _Call, client: Client, vdn: Vdn, deadline: float) -> Outcome:
    try:
        return Outcome(answer=call(client, vdn, deadline))
    except KeysMissing as error:
        return Outcome(InterfaceStatus.NO_CREDENTIALS, error)
    except ISalesError as error:
        return Outcome(InterfaceStatus.FAILED, error)


def _get_versions() -> tuple[str, ...]:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]
    return (
        f"Callboard {project['version']}",
        f"Python {platform.python_version()}",
        f"Django {django.get_version()}",
        " ".join(ssl.OPENSSL_VERSION.split()[:2]),
    )


def _build_token_section(token: TokenState, now: datetime) -> Section:
    """Describe the token of the OBS interfaces by its times."""
    age = round(max(0.0, (now - token.issued_at).total_seconds()))
    left: Text = _("unknown")
    if token.expires_at is not None:
        left = format_span(round(max(0.0, (token.expires_at - now).total_seconds())))
    issued = Fact("age", _("Issued"), fill(_("%s ago"), format_span(age)))
    title = _("Token of the OBS interfaces")
    return Section("token", title, (issued, Fact("left", _("Time left"), left)))


def build_settings_section(vdn: Vdn) -> Section:
    """Describe the settings for calls of this VDN, without an address and without a secret."""
    own_keys = ", ".join(sorted(vdn_keys.list_own_keys(vdn)))
    facts = [
        Fact("keys", _("Own keys of this VDN"), own_keys or _("none")),
        Fact("cc", "subCCNo", str(vdn.cc_id)),
    ]
    for name, value in vars(get_isales_settings()).items():
        if name not in _SEEDS:
            facts.append(Fact(name, f"ISALES_{name.upper()}", _describe_setting(name, value)))
    return Section("settings", _("Settings"), tuple(facts))


def _describe_setting(name: str, value: str | float) -> Text:
    if value == "":
        return _("not set")
    if name in _CONCEALED:
        return _("set")
    if name.endswith("_url"):
        return f"{urlsplit(str(value)).scheme}://…"
    return f"{value:g}" if isinstance(value, float) else str(value)
