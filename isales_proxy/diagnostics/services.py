"""The API doctor: calls each read-only interface once and reports differences from the documents.

Call data is not read and no result is written back, since both change the vendor's data.
"""

from __future__ import annotations

import platform
import ssl
import time
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import KeysUnreadable
from isales_proxy.client.page import Page
from isales_proxy.client.tokens import TokenState
from isales_proxy.core import locks
from isales_proxy.diagnostics import interfaces, probes
from isales_proxy.diagnostics.report import Fact, Report, Section, Text, fill, format_span
from isales_proxy.models import AuditAction, MirrorState, Vdn
from isales_proxy.vendor import gateway, vdn_keys

MAX_SECONDS: Final = 60.0
_LOCK_SECONDS: Final = 90
_REPORT_KEY: Final = "doctor:report:%d"
_KEEP: Final = timedelta(days=30)
# Initial values only: VDNs and their call centres are those of the database.
_SEEDS: Final = {"cc_id", "vdns"}
_CONCEALED: Final = {"access_key", "secret_key", "app_key", "app_secret", "token", "ca_bundle"}


def run_check(*, scope: Scope) -> Report:
    """Run a check with probes for a person, and store the report for the page.

    Raises PermissionMissing and AlreadyRunning. Failures of the vendor are in the report.
    """
    scope.require(Permission.EXAMINE_VENDOR)
    report = run_check_unattended(vdn=scope.vdn, by=scope, with_probes=True)
    cache.set(_REPORT_KEY % scope.vdn.pk, report, _KEEP.total_seconds())
    return report


def get_last_report(*, scope: Scope) -> Report | None:
    """Return the last report of a check by a person."""
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
    """Call each read-only interface once, and with probes send further queries.

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
        started, log = clock(), interfaces.CallLog(clock)
        details = [probes.build_section({}, requested=with_probes)]
        try:
            client = gateway.create_diagnostic_client(vdn, log)
        except KeysUnreadable as error:
            for name, fetch in interfaces.INTERFACES.items():
                if fetch:
                    log.fail(name, error)
        else:
            ends = monotonic() + MAX_SECONDS

            def remaining() -> float:
                return max(0.0, min(settings.ISALES.deadline, ends - monotonic()))

            with client:
                interfaces.call_interfaces(client, vdn, log, remaining)
                first = log.calls["list_reservations"].answer
                if with_probes and isinstance(first, Page):
                    fetch = partial(client.list_reservations, vdn=vdn.pk)
                    details = [probes.run_probes(fetch, first=first, remaining=remaining)]
                    _store_column(vdn, details[0])
                if token := client.token_state():
                    details.append(_build_token_section(token, clock()))
        return Report(
            vdn_id=vdn.pk,
            at=started,
            by=by.username if by else "",
            versions=_get_versions(),
            interfaces=interfaces.build_sections(log),
            details=(*details, build_settings_section(vdn)),
        )


def _store_column(vdn: Vdn, probed: Section) -> None:
    """Store the column of the time range for the mirror, unless it knows the column."""
    found = next(fact.text for fact in probed.facts if fact.name == "range")
    if found in {"appointTime", "createTime"}:
        MirrorState.objects.filter(vdn=vdn, column="").update(column=found)


def _get_versions() -> tuple[str, ...]:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]
    return (
        f"Callboard {project['version']}",
        f"Python {platform.python_version()}",
        f"Django {django.get_version()}",
        " ".join(ssl.OPENSSL_VERSION.split()[:2]),
    )


def _build_token_section(token: TokenState, now: datetime) -> Section:
    """Describe the times of the token of the OBS interfaces."""
    age = fill(_("%s ago"), format_span(now - token.issued_at))
    left = format_span(token.expires_at - now) if token.expires_at else _("unknown")
    facts = Fact("age", _("Issued"), age), Fact("left", _("Time left"), left)
    return Section("token", _("Token of the OBS interfaces"), facts)


def build_settings_section(vdn: Vdn) -> Section:
    """Describe the settings for calls of this VDN, without addresses and secrets."""
    own_keys = ", ".join(sorted(vdn_keys.list_own_keys(vdn)))
    facts = [
        Fact("keys", _("Own keys of this VDN"), own_keys or _("none")),
        Fact("cc", "subCCNo", str(vdn.cc_id)),
    ]
    for name, value in vars(settings.ISALES).items():
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
