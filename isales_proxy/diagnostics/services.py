"""The API doctor: call each read-only interface once, and report what differs from the documents.

Call data is never read and no result is written back: both change the vendor's data.
"""

from __future__ import annotations

import platform
import ssl
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
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
from isales_proxy.client.config import ObsAuth
from isales_proxy.client.errors import CredentialsRefused, ISalesError
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
from isales_proxy.models import AuditAction, Vdn
from isales_proxy.vendor import gateway, vdn_keys

MAX_SECONDS: Final = 60.0
ROWS: Final = 10
_LOCK_SECONDS: Final = 90
_KEEP: Final = timedelta(days=30)
_CALLS: Final[dict[str, Callable[[Client, Vdn, float], Any]]] = {
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
_OBS_AUTHS: Final = {
    ObsAuth.APP: _("app key (tokenByAkSk)"),
    ObsAuth.LOGIN: _("log-in (obs/auth/login)"),
    ObsAuth.STATIC: _("fixed token"),
}


def run_check(*, scope: Scope) -> Report:
    """Run a check with probes for a person, and keep the report for the page.

    Raises PermissionMissing and AlreadyRunning. Failures of the vendor are in the report.
    """
    scope.require(Permission.EXAMINE_VENDOR)
    report = run_check_unattended(vdn=scope.vdn, by=scope, with_probes=True)
    cache.set(_report_key(scope.vdn), report, _KEEP.total_seconds())
    return report


def get_last_report(*, scope: Scope) -> Report | None:
    """Return the last report of this VDN that a person asked for."""
    scope.require(Permission.EXAMINE_VENDOR)
    report: Report | None = cache.get(_report_key(scope.vdn))
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
        started, log = clock(), CallLog(clock)
        probed, token = probes.build_section(None, requested=with_probes), None
        try:
            client = gateway.create_diagnostic_client(vdn, log)
        except CredentialsRefused as error:
            outcomes = dict.fromkeys(_CALLS, Outcome(InterfaceStatus.KEYS_UNREADABLE, error))
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
        return Report(
            vdn_id=vdn.pk,
            at=started,
            by=by.username if by else "",
            versions=get_versions(),
            interfaces=tuple(
                build_section(_OPERATIONS[name], found, log) for name, found in outcomes.items()
            ),
            details=(
                probed,
                _build_token_section(token, outcomes["list_outbound_tasks"], clock()),
                build_settings_section(vdn),
            ),
        )


def _call_interfaces(
    client: Client, vdn: Vdn, log: CallLog, remaining: Callable[[], float], *, with_probes: bool
) -> tuple[dict[str, Outcome], Section]:
    """Call each interface, `remaining` seconds at most; return the outcomes, and the probes."""
    outcomes = {each: _call(each, client, vdn, log, remaining()) for each in _CALLS}
    tasks = outcomes.pop("list_outbound_tasks")
    for each in filter(log.attempts.__getitem__, _TOKEN_CALLS):
        if log.attempts[each][-1].outcome == "ok":
            outcomes[each] = Outcome(InterfaceStatus.ANSWERED)
            continue
        outcomes[each] = Outcome(InterfaceStatus.FAILED, tasks.error)
        if not log.attempts["list_outbound_tasks"]:
            tasks = replace(tasks, status=InterfaceStatus.NO_TOKEN)
    outcomes["list_outbound_tasks"] = tasks
    first = outcomes["list_reservations"].answer
    if not with_probes or not isinstance(first, Page):
        return outcomes, probes.build_section(None, requested=with_probes)

    def list_reservations(query: ReservationQuery, deadline: float) -> Page[Reservation]:
        return client.list_reservations(vdn=vdn.pk, query=query, deadline=deadline)

    return outcomes, probes.run_probes(list_reservations, first=first, remaining=remaining)


def _call(operation: str, client: Client, vdn: Vdn, log: CallLog, deadline: float) -> Outcome:
    try:
        return Outcome(InterfaceStatus.ANSWERED, answer=_CALLS[operation](client, vdn, deadline))
    except ISalesError as error:
        sent = any(log.attempts[each] for each in (operation, *_TOKEN_CALLS))
        unset = isinstance(error, CredentialsRefused) and not error.maybe_sent and not sent
        return Outcome(InterfaceStatus.NO_CREDENTIALS if unset else InterfaceStatus.FAILED, error)


def get_versions() -> tuple[str, ...]:
    """Return the versions of the product, Python, Django and OpenSSL."""
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]
    return (
        f"Callboard {project['version']}",
        f"Python {platform.python_version()}",
        f"Django {django.get_version()}",
        " ".join(ssl.OPENSSL_VERSION.split()[:2]),
    )


def _build_token_section(token: TokenState | None, tasks: Outcome, now: datetime) -> Section:
    """Describe the token of the OBS interfaces by its times; `tasks` is the call that needs it."""
    if token is None:
        fixed = _get_obs_auth() == ObsAuth.STATIC
        fixed = fixed and tasks.status is not InterfaceStatus.NO_CREDENTIALS
        text = _("fixed, its times are not known") if fixed else _("none")
        facts = [Fact("token", _("Token"), text)]
    else:
        age = round(max(0.0, (now - token.issued_at).total_seconds()))
        facts = [Fact("age", _("Issued"), fill(_("%s ago"), format_span(age)))]
        left: Text = _("unknown")
        tone = ""
        if token.expires_at is not None:
            seconds = round((token.expires_at - now).total_seconds())
            left, tone = format_span(max(0, seconds)), "bad" if seconds <= 0 else ""
        facts.append(Fact("left", _("Time left"), left, tone))
    return Section("token", _("Token of the OBS interfaces"), tuple(facts))


def build_settings_section(vdn: Vdn) -> Section:
    """Describe the settings for calls of this VDN, without an address and without a secret."""
    found = get_isales_settings()
    # In demo mode the simulator stands in for the OBS interfaces too, whatever is set.
    obs, header = (
        ("", "Authorization") if found.demo else (found.obs_base_url, found.obs_auth_header)
    )
    campaigns = _("built-in simulator") if found.demo else _describe_address(found.base_url)
    own_keys = {"names": ", ".join(sorted(vdn_keys.list_own_keys(vdn)))}
    keys = fill(_("own of this VDN: %(names)s"), own_keys)
    timeouts = {
        "connect": f"{found.connect_timeout:g}",
        "read": f"{found.read_timeout:g}",
        "whole": f"{found.deadline:g}",
    }
    whole = _("connect %(connect)s s, read %(read)s s, whole call %(whole)s s")
    authorities = _("own bundle") if found.ca_bundle else _("those of the system")
    facts = (
        Fact("campaigns", _("Campaign address"), campaigns),
        Fact("obs", _("OBS address"), _describe_address(obs) if obs else _("the same")),
        Fact("auth", _("OBS authentication"), _OBS_AUTHS[_get_obs_auth()]),
        Fact("header", _("Token header"), header),
        Fact("keys", _("Keys in use"), keys if own_keys["names"] else _("shared by all VDNs")),
        Fact("authorities", _("Certificate authorities"), authorities),
        Fact("timeouts", _("Timeouts"), fill(whole, timeouts)),
        Fact("patience", _("Time for call data"), fill(_("%s s"), f"{found.longest_call:g}")),
        Fact("page", _("Largest page asked for"), str(found.max_page_size)),
        Fact("cache", _("Answers kept for"), fill(_("%s s"), f"{found.page_cache_seconds:g}")),
        Fact("cc", "subCCNo", str(vdn.cc_id)),
        Fact("times", _("Times written back"), f"{found.time_format} ({found.time_format_zone})"),
    )
    return Section("settings", _("Settings in effect"), facts)


def _get_obs_auth() -> ObsAuth:
    found = get_isales_settings()
    return ObsAuth.APP if found.demo else ObsAuth(found.obs_auth)


def _describe_address(address: str) -> str:
    parts = urlsplit(address)
    message = _("%(scheme)s, port given") if parts.port else _("%(scheme)s, usual port")
    return fill(message, {"scheme": parts.scheme})


def _report_key(vdn: Vdn) -> str:
    return f"doctor:report:{vdn.pk}"
