"""The code table of a VDN: there when it is needed, minded while rows pass by, refreshed.

A refresh that fails or stops half-way changes nothing. What a person asks for at a screen is shown
before it is applied: see `previews`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import Error
from django.dispatch import Signal

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.records import Reservation
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.models import AuditAction, RefreshKind, ResultCode, Vdn
from isales_proxy.result_codes import book as code_book
from isales_proxy.result_codes import occurrences, tables
from isales_proxy.result_codes import refresh as reading
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.result_codes.refresh import WITHIN_SECONDS, Progress
from isales_proxy.result_codes.tables import RefreshReport, Table

__all__ = ["RefreshReport", "get_book", "record_codes", "refresh", "refresh_unattended"]

log = structlog.get_logger("isales")

UNKNOWN_CODE_PAUSE: Final = timedelta(minutes=10)
_FIRST_NEED_SECONDS: Final = 5.0
_FIRST_NEED_PAUSE_SECONDS: Final = 60

# Listened to by the jobs, which refresh the table out of the reader's way.
unknown_code_seen = Signal()


def get_book(vdn: Vdn) -> CodeBook:
    """The codes of this VDN; fetched now if they never were and the vendor lets us.

    The first need waits `_FIRST_NEED_SECONDS` at most and, where that fails, is tried again by the
    first reader after a minute.
    """
    if vdn.codes_read_at is None and cache.add(
        f"codes:first-need:{vdn.pk}", 1, _FIRST_NEED_PAUSE_SECONDS
    ):
        try:
            refresh_unattended(
                vdn=vdn, by="first need", kind=RefreshKind.NEED, within=_FIRST_NEED_SECONDS
            )
        except (ISalesError, AlreadyRunning, Error) as error:
            # A reader's page does not depend on it, not even while nothing can be written.
            log.warning("codes_not_there_yet", vdn=vdn.pk, error=type(error).__name__)
        vdn.refresh_from_db(fields=["codes_version", "codes_read_at", "codes_held"])
    return code_book.get_book(vdn)


def record_codes(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Note the codes that fresh rows bear; send `unknown_code_seen` when the table lacks one.

    At most once in ten minutes a VDN, and never before the table was first read. Who listens may
    fail: the reader's rows do not depend on it.
    """
    bearing = [row for row in rows if row.fail_code]
    occurrences.record_occurrences(vdn, bearing)
    codes = {row.fail_code for row in bearing}
    if vdn.codes_read_at is None or codes <= code_book.get_book(vdn).codes.keys():
        return
    pause = f"codes:unknown:{vdn.pk}"
    if not cache.add(pause, 1, UNKNOWN_CODE_PAUSE.total_seconds()):
        return
    for _receiver, outcome in unknown_code_seen.send_robust(sender=Vdn, vdn=vdn):
        if isinstance(outcome, Exception):
            log.warning("unknown_code_not_minded", vdn=vdn.pk, error=type(outcome).__name__)
            cache.delete(pause)


def refresh(*, scope: Scope) -> RefreshReport:
    """Refresh at once at a person's wish, even to a table that was rolled back.

    Raises NotAllowed, and what `refresh_unattended` raises.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    with reading.fetch_table(scope.vdn) as table, tables.lock_table(scope.vdn) as row:
        row.codes_held = ""
        report = tables.replace_table(
            row,
            table,
            kind=RefreshKind.PERSON,
            by=scope,
            name=scope.username,
            read_at=datetime.now(UTC),
        )
    log.info("codes_refreshed", vdn=scope.vdn.pk, by=scope.username, **report.counts())
    return report


def refresh_unattended(
    *,
    vdn: Vdn,
    by: str,
    kind: RefreshKind = RefreshKind.SCHEDULE,
    within: float = WITHIN_SECONDS,
    progress: Progress | None = None,
) -> RefreshReport:
    """Read the whole code table in both languages and replace ours in one transaction.

    A table that was rolled back is not taken over again before the vendor lists another one. Raises
    what `reading.reading` raises; then nothing has changed.
    """
    with (
        reading.fetch_table(vdn, within=within, progress=progress) as table,
        tables.lock_table(vdn) as row,
    ):
        now = datetime.now(UTC)
        if row.codes_held and row.codes_held == tables.hash_table(table):
            report = _hold(row, table, now)
        else:
            row.codes_held = ""
            report = tables.replace_table(row, table, kind=kind, by=None, name=by, read_at=now)
    log.info("codes_refreshed", vdn=vdn.pk, by=by, held=report.held, **report.counts())
    return report


def _hold(row: Vdn, table: Table, now: datetime) -> RefreshReport:
    """The vendor still lists what was rolled back: ours stays, and was looked after now."""
    ours = tables.load_table(row)
    listed = ResultCode.objects.filter(vdn=row, gone_at=None, code__in=ours.keys() & table.keys())
    listed.update(last_seen=now)
    row.codes_read_at = now
    row.save(update_fields=["codes_read_at"])
    return replace(tables.build_report(ours, (), now), held=True)


def record_export(*, scope: Scope, kind: str, rows: int, filters: Mapping[str, str]) -> None:
    """Note that the table left as a file; of a text that was searched for, only that it was."""
    told = {name: True if name == "q" else text for name, text in filters.items()}
    audit.record(AuditAction.CODES_EXPORTED, by=scope, kind=kind, rows=rows, filters=told)


def get_progress(*, scope: Scope) -> tuple[int, int]:
    """(codes read, codes expected) of a reading under way; (0, 0) where there is none."""
    scope.require(Permission.REFRESH_RESULT_CODES)
    return reading.get_progress(scope.vdn)
