"""The history of a VDN's code table, and the way back in it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.db.models import QuerySet

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.models import CodeRefresh, RefreshKind, Vdn
from isales_proxy.result_codes import tables
from isales_proxy.result_codes.tables import CodeChange, RefreshReport

log = structlog.get_logger("isales")


@dataclass(frozen=True)
class Entry:
    """One change of the table. `way_back` is what going back to it would change now."""

    row: CodeRefresh
    changes: tuple[CodeChange, ...]
    way_back: tuple[CodeChange, ...]


class NothingToChange(RuntimeError):
    """The table is so already."""


def list_entries(*, scope: Scope, page: int, size: int) -> tuple[list[CodeRefresh], int]:
    """One page of the history, newest first, and how many entries there are."""
    found = _of(scope.vdn)
    first = (page - 1) * size
    return list(found.defer("table")[first : first + size]), found.count()


def get_entry(*, scope: Scope, pk: int) -> Entry:
    """One entry with its changes. Raises NotYours."""
    row = _one(scope, pk)
    made = tuple(tables.parse_change(each) for each in row.changes)
    way_back = tables.compare_tables(tables.load_table(scope.vdn), tables.parse_table(row.table))
    return Entry(row, made, way_back)


def roll_back(*, scope: Scope, pk: int, version: int) -> RefreshReport:
    """Make the table what it was after this entry, if it is still the one of `version`.

    No schedule brings the table back that was left, until the vendor lists another one or a person
    refreshes. Raises NotAllowed, NotYours, TableMoved and NothingToDo.
    """
    scope.require(Permission.EDIT_RESULT_CODES)
    table = tables.parse_table(_one(scope, pk).table)
    with tables.lock_table(scope.vdn, version=version) as row:
        before = tables.load_table(row)
        if before == table:
            raise NothingToChange
        row.codes_held = _held(row, tables.hash_table(before))
        if row.codes_held == tables.hash_table(table):
            row.codes_held = ""
        report = tables.replace_table(
            row, table, kind=RefreshKind.ROLL_BACK, by=scope, name=scope.username, read_at=None
        )
    log.info("codes_rolled_back", vdn=scope.vdn.pk, by=scope.username, **report.counts())
    return report


def get_active_roll_back(vdn: Vdn) -> CodeRefresh | None:
    """The roll-back that holds the vendor's table off; None where none does."""
    if not vdn.codes_held:
        return None
    return _of(vdn).filter(kind=RefreshKind.ROLL_BACK).defer("table", "changes").first()


def _held(row: Vdn, left: str) -> str:
    """The fingerprint of the vendor's own table, as it was last read.

    That is the one which is left now, unless it had been rolled back before.
    """
    last = _of(row).values_list("kind", flat=True).first()
    return row.codes_held if last == RefreshKind.ROLL_BACK and row.codes_held else left


def _of(vdn: Vdn) -> QuerySet[CodeRefresh]:
    return CodeRefresh.objects.filter(vdn=vdn)


def _one(scope: Scope, pk: int) -> CodeRefresh:
    row = _of(scope.vdn).filter(pk=pk).first()
    if row is None:
        raise VdnNotFound
    return row
