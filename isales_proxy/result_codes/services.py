"""The code table of a VDN: read at first use, refreshed, and checked for codes that it lacks.

An incomplete refresh changes nothing. On the pages a refresh is previewed before it is applied, see
`refresh`.
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
from isales_proxy.result_codes import history, occurrences
from isales_proxy.result_codes import refresh as code_refresh
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.result_codes.history import RefreshReport, Table
from isales_proxy.result_codes.refresh import WITHIN_SECONDS

__all__ = ["RefreshReport", "get_book", "record_codes", "refresh", "refresh_unattended"]

log = structlog.get_logger("isales")

UNKNOWN_CODE_PAUSE: Final = timedelta(minutes=10)
_FIRST_NEED_SECONDS: Final = 5.0
_FIRST_NEED_PAUSE_SECONDS: Final = 60

# The jobs listen and refresh the table in the background.
unknown_code_seen = Signal()


def get_book(vdn: Vdn) -> CodeBook:
    """Return the codes of this VDN; read them from the vendor at first use.

    That takes at most `_FIRST_NEED_SECONDS`, and is tried again a minute after a failure.
    """
    if vdn.codes_read_at is None and cache.add(
        f"codes:first-need:{vdn.pk}", 1, _FIRST_NEED_PAUSE_SECONDS
    ):
        try:
            refresh_unattended(
                vdn=vdn, by="first need", kind=RefreshKind.NEED, within=_FIRST_NEED_SECONDS
            )
        except (ISalesError, AlreadyRunning, Error) as error:
            # The page is shown without the table.
            log.warning("codes_not_there_yet", vdn=vdn.pk, error=type(error).__name__)
        vdn.refresh_from_db(fields=["codes_version", "codes_read_at", "codes_held"])
    return code_book.get_book(vdn)


def record_codes(vdn: Vdn, rows: Iterable[Reservation]) -> None:
    """Record the codes of new rows; send `unknown_code_seen` if the table lacks one.

    The signal is sent at most once in ten minutes for each VDN, and not before the table was first
    read. Errors of receivers are logged.
    """
    with_code = [row for row in rows if row.fail_code]
    occurrences.record_occurrences(vdn, with_code)
    codes = {row.fail_code for row in with_code}
    if vdn.codes_read_at is None or codes <= code_book.get_book(vdn).codes.keys():
        return
    pause = f"codes:unknown:{vdn.pk}"
    if not cache.add(pause, 1, UNKNOWN_CODE_PAUSE.total_seconds()):
        return
    for _receiver, result in unknown_code_seen.send_robust(sender=Vdn, vdn=vdn):
        if isinstance(result, Exception):
            log.warning("unknown_code_not_handled", vdn=vdn.pk, error=type(result).__name__)
            cache.delete(pause)


def refresh(*, scope: Scope) -> RefreshReport:
    """Refresh without a preview for a person, also to a table that was rolled back.

    Raises PermissionMissing, and what `refresh_unattended` raises.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    return _refresh(scope.vdn, RefreshKind.PERSON, scope, scope.username)


def refresh_unattended(
    *,
    vdn: Vdn,
    by: str,
    kind: RefreshKind = RefreshKind.SCHEDULE,
    within: float = WITHIN_SECONDS,
) -> RefreshReport:
    """Read the whole code table in both languages and replace ours in one transaction.

    A table that was rolled back is not applied again until the vendor lists another one. Raises
    what `fetch_table` raises; then nothing has changed.
    """
    return _refresh(vdn, kind, None, by, within)


def _refresh(
    vdn: Vdn, kind: RefreshKind, by: Scope | None, name: str, within: float = WITHIN_SECONDS
) -> RefreshReport:
    with code_refresh.fetch_table(vdn, within=within) as table, history.lock_table(vdn) as row:
        now = datetime.now(UTC)
        if by is None and row.codes_held and row.codes_held == history.hash_table(table):
            report = _keep_table(row, table, now)
        else:
            row.codes_held = ""
            report = history.replace_table(row, table, kind=kind, by=by, name=name, read_at=now)
    log.info("codes_refreshed", vdn=vdn.pk, by=name, held=report.held, **report.counts())
    return report


def _keep_table(row: Vdn, table: Table, now: datetime) -> RefreshReport:
    """Keep our table and record that the vendor still lists the one that was rolled back."""
    ours = history.load_table(row)
    listed = ResultCode.objects.listed(row).filter(code__in=ours.keys() & table.keys())
    listed.update(last_seen=now)
    row.codes_read_at = now
    row.save(update_fields=["codes_read_at"])
    return replace(history.build_report(ours, (), now), held=True)


def record_export(*, scope: Scope, kind: str, rows: int, filters: Mapping[str, str]) -> None:
    """Record an export of the table, without the text of a search."""
    used = {name: True if name == "q" else text for name, text in filters.items()}
    audit.record(AuditAction.CODES_EXPORTED, by=scope, kind=kind, rows=rows, filters=used)
