"""The API doctor: one harmless call to each interface that only reads, and what it shows.

Call data are never read and results never written back from here: both change the vendor's data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from django.core.cache import cache

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import CredentialsRefused, ISalesError
from isales_proxy.client.operations import (
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    LOG_IN,
    REFRESH_TOKEN,
    Operation,
)
from isales_proxy.client.page import Page
from isales_proxy.client.queries import ReservationQuery, ResultCodeQuery
from isales_proxy.client.records import OutboundTask, Reservation, ResultCode
from isales_proxy.client.tokens import TokenState
from isales_proxy.core import locks
from isales_proxy.core.metrics import Observer
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.diagnostics import probes as doctor_probes
from isales_proxy.diagnostics.call_log import CallLog
from isales_proxy.diagnostics.environment import get_settings, get_versions
from isales_proxy.diagnostics.findings import (
    InterfaceFinding,
    InterfaceStatus,
    Probes,
    Report,
    TokenAge,
)
from isales_proxy.models import AuditAction, Vdn
from isales_proxy.vendor import gateway

WITHIN_SECONDS: Final = 60.0
ROWS: Final = 10
_TURN_SECONDS: Final = 90
_KEEP: Final = timedelta(days=30)

Named = Operation[Any]
_TOKEN_CALLS: Final[tuple[Named, ...]] = (FETCH_TOKEN, LOG_IN, REFRESH_TOKEN)
_ASKED: Final[tuple[Named, ...]] = (LIST_RESERVATIONS, LIST_RESULT_CODES, LIST_OUTBOUND_TASKS)
# The OBS pages contradict themselves, which leaves their envelope open.
_DOCUMENTED: Final = {
    LIST_RESERVATIONS.name: "resultCode+returnCode",
    LIST_RESULT_CODES.name: "resultCode+returnCode",
}


class ReadOnly(Protocol):
    """All that the doctor can ask of the vendor."""

    def list_reservations(
        self, *, vdn: int, query: ReservationQuery, deadline: float | None = None
    ) -> Page[Reservation]:
        """One page of the reserved calls of a VDN."""

    def list_result_codes(
        self, *, vdn: int, query: ResultCodeQuery, deadline: float | None = None
    ) -> Page[ResultCode]:
        """One page of the OBS result codes of a VDN."""

    def list_outbound_tasks(
        self, *, vdn: int, cc_id: int, deadline: float | None = None
    ) -> tuple[OutboundTask, ...]:
        """The outbound tasks of a VDN."""

    def token_state(self) -> TokenState | None:
        """From when to when the token is good; no call."""


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def run_check(
    *,
    scope: Scope,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Report:
    """Examine at a person's wish, probes included, and keep the report for the page.

    Raises NotAllowed and `turns.AlreadyRunning`; what the vendor does wrong is in the report.
    """
    scope.require(Permission.EXAMINE_VENDOR)
    report = run_check_unattended(
        vdn=scope.vdn, by=scope, probes=True, clock=clock, monotonic=monotonic
    )
    cache.set(_report_key(scope.vdn), report, _KEEP.total_seconds())
    return report


def get_last_report(*, scope: Scope) -> Report | None:
    """The last report of this VDN that a person asked for."""
    scope.require(Permission.EXAMINE_VENDOR)
    found: Report | None = cache.get(_report_key(scope.vdn))
    return found


def run_check_unattended(
    *,
    vdn: Vdn,
    by: Scope | None = None,
    probes: bool = False,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Report:
    """Call each read-only interface once; with `probes` ask the list of reservations further.

    No call begins after `WITHIN_SECONDS`. Raises `turns.AlreadyRunning`, and SimulatorRefused.
    """
    gateway.ensure_allowed()
    with locks.hold_lock(f"doctor:turn:{vdn.pk}", seconds=_TURN_SECONDS):
        audit.record(
            AuditAction.VENDOR_EXAMINED,
            by=by,
            vdn_id=vdn.pk,
            subject=f"VDN {vdn.pk}",
            probes=probes,
        )
        notes = CallLog(clock, Observer())
        report = Report(
            vdn_id=vdn.pk,
            at=clock(),
            seconds=0.0,
            by=by.username if by else "",
            probing=probes,
            versions=get_versions(),
            interfaces=(),
            in_effect=get_settings(vdn),
        )
        try:
            client = gateway.create_diagnostic_client(vdn, notes)
        except CredentialsRefused as error:
            closed = tuple(_examined(each, InterfaceStatus.KEYS_CLOSED, error) for each in _ASKED)
            return replace(report, interfaces=closed)
        started = monotonic()
        with client:
            left = _Left(monotonic, started + WITHIN_SECONDS)
            report = _examined_with(client, report, vdn, notes, left, probes=probes)
            return replace(
                report, token=_token(client.token_state(), clock()), seconds=monotonic() - started
            )


@dataclass(frozen=True)
class _Left:
    """The seconds that the next call may take, out of those that the examination has left."""

    monotonic: Callable[[], float]
    ends: float

    def __call__(self) -> float:
        return max(0.0, min(get_isales_settings().deadline, self.ends - self.monotonic()))


def _examined_with(
    client: ReadOnly, report: Report, vdn: Vdn, notes: CallLog, left: _Left, *, probes: bool
) -> Report:
    first: Page[Reservation] | None = None
    further: Probes | None = None

    def reservations() -> _Rows:
        nonlocal first
        query = ReservationQuery(size=ROWS)
        first = client.list_reservations(vdn=vdn.pk, query=query, deadline=left())
        return _Rows(len(first.items), first.total)

    def result_codes() -> _Rows:
        query = ResultCodeQuery(size=ROWS)
        page = client.list_result_codes(vdn=vdn.pk, query=query, deadline=left())
        return _Rows(len(page.items), page.total)

    def tasks() -> _Rows:
        found = client.list_outbound_tasks(vdn=vdn.pk, cc_id=vdn.cc_id, deadline=left())
        return _Rows(len(found), None)

    listed = _call(LIST_RESERVATIONS, reservations, notes)
    codes = _call(LIST_RESULT_CODES, result_codes, notes)
    outbound = _call(LIST_OUTBOUND_TASKS, tasks, notes)
    tokens = tuple(
        _token_call(each, outbound.error, notes)
        for each in _TOKEN_CALLS
        if notes.attempts(each.name)
    )
    if any(not token.answered for token in tokens) and not notes.attempts(outbound.operation):
        outbound = replace(outbound, standing=InterfaceStatus.NO_TOKEN)
    if probes and first is not None:
        further = doctor_probes.run_probes(client, vdn=vdn.pk, first=first, left=left)
        # More rows show more differences.
        listed = replace(listed, drift=notes.differences(listed.operation))
    return replace(report, interfaces=(listed, codes, *tokens, outbound), probes=further)


@dataclass(frozen=True)
class _Rows:
    count: int
    total: int | None


def _call(operation: Named, ask: Callable[[], _Rows], notes: CallLog) -> InterfaceFinding:
    """Ask one interface and say how it went."""
    try:
        rows = ask()
    except ISalesError as error:
        asked = notes.attempts(operation.name) or any(
            notes.attempts(each.name) for each in _TOKEN_CALLS
        )
        unset = isinstance(error, CredentialsRefused) and not error.maybe_sent and not asked
        standing = InterfaceStatus.NO_CREDENTIALS if unset else InterfaceStatus.FAILED
        return _examined(operation, standing, error, notes)
    found = _examined(operation, InterfaceStatus.ANSWERED, None, notes)
    return replace(found, rows=rows.count, total=rows.total)


def _token_call(operation: Named, error: ISalesError | None, notes: CallLog) -> InterfaceFinding:
    good = notes.attempts(operation.name)[-1].outcome == "ok"
    if good:
        return _examined(operation, InterfaceStatus.ANSWERED, None, notes)
    return _examined(operation, InterfaceStatus.FAILED, error, notes)


def _examined(
    operation: Named,
    standing: InterfaceStatus,
    error: ISalesError | None,
    notes: CallLog | None = None,
) -> InterfaceFinding:
    """What is known of one interface from its attempts."""
    found = InterfaceFinding(
        operation=operation.name,
        vendor_page=operation.vendor_page,
        method=operation.method,
        path=operation.path.replace("{vdn}", "{vdnId}"),
        standing=standing,
        error=error,
        request_id=error.request_id if error else "",
        documented=_DOCUMENTED.get(operation.name, ""),
    )
    attempts = notes.attempts(operation.name) if notes else []
    if notes is None or not attempts:
        return found
    final = attempts[-1]
    good = standing is InterfaceStatus.ANSWERED
    told = notes.told_time(operation.name) if good else _told_by(error, operation)
    return replace(
        found,
        calls=len(attempts),
        asked_at=final.ended_at - timedelta(seconds=final.seconds),
        ms=round(final.seconds * 1000),
        http_status=final.http_status,
        request_id=final.request_id,
        shape=notes.shape(operation.name) if good else "",
        clock=notes.clock(operation.name, told),
        drift=notes.differences(operation.name),
    )


def _told_by(error: ISalesError | None, operation: Named) -> datetime | None:
    """The vendor's time in a refusal: a wrong clock is a reason to refuse a signature."""
    return error.vendor_time if error is not None and error.operation == operation.name else None


def _token(state: TokenState | None, now: datetime) -> TokenAge | None:
    if state is None:
        return None
    left = None if state.expires_at is None else (state.expires_at - now).total_seconds()
    return TokenAge(age=(now - state.issued_at).total_seconds(), left=left)


def _report_key(vdn: Vdn) -> str:
    return f"doctor:report:{vdn.pk}"
