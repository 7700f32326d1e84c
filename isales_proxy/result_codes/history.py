"""The code table of a VDN and its history: compare two tables, replace one, roll back.

Every change of the table is one transaction, an entry of the history, and an audit event.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import structlog
from django.db import transaction

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, CodeRefresh, RefreshKind, ResultCode, Vdn

log = structlog.get_logger("isales")

MAX_CODE_LENGTH: Final = 32


class CodeText(NamedTuple):
    """The vendor's texts of one code."""

    zh: str
    en: str


Table = dict[str, CodeText]
Kind = Literal["added", "removed", "reworded"]


@dataclass(frozen=True)
class CodeChange:
    """Change of one code. `before` is None for an added code, `after` for a removed one."""

    code: str
    kind: Kind
    before: CodeText | None
    after: CodeText | None


@dataclass(frozen=True)
class RefreshReport:
    """Result of a refresh, in numbers of codes; a code that the vendor lists again counts as added.

    `held` when nothing was applied, because this very table had been rolled back.
    """

    kept: int
    added: int
    reworded: int
    removed: int
    read_at: datetime
    changes: tuple[CodeChange, ...] = ()
    held: bool = False

    def counts(self) -> dict[str, int]:
        """Return the four numbers."""
        return {name: getattr(self, name) for name in ("kept", "added", "reworded", "removed")}


class TableChanged(RuntimeError):
    """The table has changed since it was shown."""


@contextmanager
def lock_table(vdn: Vdn, *, version: int | None = None) -> Iterator[Vdn]:
    """Lock the row of the VDN in one transaction, which excludes other changes of its table.

    Raises TableChanged when the table is not that of `version`.
    """
    with transaction.atomic():
        row = Vdn.objects.select_for_update().get(pk=vdn.pk)
        if version is not None and row.codes_version != version:
            raise TableChanged
        yield row


def load_table(vdn: Vdn) -> Table:
    """Load the current table, without the codes that are no longer listed."""
    found = ResultCode.objects.listed(vdn)
    return {
        code: CodeText(zh, en) for code, zh, en in found.values_list("code", "text_zh", "text_en")
    }


def compare_tables(before: Table, after: Table) -> tuple[CodeChange, ...]:
    """List the changes from one table to the other, by code."""
    found = []
    for code in sorted(before.keys() | after.keys()):
        old, new = before.get(code), after.get(code)
        if old == new:
            continue
        kind: Kind = "added" if old is None else "removed" if new is None else "reworded"
        found.append(CodeChange(code, kind, old, new))
    return tuple(found)


def hash_table(table: Table) -> str:
    """Return a fingerprint that differs for different tables."""
    text = json.dumps(sorted(table.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_table(kept: Mapping[str, Any]) -> Table:
    """Parse a table from the history or a preview."""
    return {code: CodeText(*texts) for code, texts in kept.items()}


def parse_change(kept: Mapping[str, Any]) -> CodeChange:
    """Parse a change from the history."""
    before, after = (CodeText(*kept[side]) if kept[side] else None for side in ("before", "after"))
    return CodeChange(kept["code"], kept["kind"], before, after)


def build_report(table: Table, made: tuple[CodeChange, ...], read_at: datetime) -> RefreshReport:
    """Count the changes that lead to `table`."""
    figures = Counter(change.kind for change in made)
    return RefreshReport(
        kept=len(table) - figures["added"] - figures["reworded"],
        added=figures["added"],
        reworded=figures["reworded"],
        removed=figures["removed"],
        read_at=read_at,
        changes=made,
    )


def replace_table(
    row: Vdn,
    table: Table,
    *,
    kind: RefreshKind,
    by: Scope | None,
    name: str,
    read_at: datetime | None,
) -> RefreshReport:
    """Replace the table of a locked VDN; without changes only record that it was read.

    Actions of people are audited even without changes. `read_at` (aware UTC) is when the vendor
    listed the table, None for a roll-back. `by` None is the system; `name` is the person or the
    part of the product.
    """
    now = datetime.now(UTC)
    before = load_table(row)
    made = compare_tables(before, table)
    report = build_report(table, made, read_at or now)
    more: dict[str, Any] = {}
    if made:
        row.codes_version += 1
        _write_codes(row, made, now, read_at or now)
        entry = CodeRefresh.objects.create(
            vdn=row,
            at=now,
            kind=kind,
            by=name,
            table=table,
            changes=[asdict(change) for change in made],
            added=report.added,
            removed=report.removed,
            reworded=report.reworded,
        )
        more["entry"] = entry.pk
    if made or by is not None:
        rolled_back = kind is RefreshKind.ROLL_BACK
        audit.record(
            AuditAction.CODES_ROLLED_BACK if rolled_back else AuditAction.CODES_REFRESHED,
            by=by,
            vdn_id=row.pk,
            subject=name,
            kind=kind.value,
            **more,
            before=hash_table(before),
            after=hash_table(table),
            figures=report.counts(),
        )
    if read_at is not None:
        row.codes_read_at = read_at
        ResultCode.objects.listed(row).update(last_seen=read_at)
    row.save(update_fields=["codes_version", "codes_read_at", "codes_held"])
    return report


def _write_codes(
    row: Vdn, made: tuple[CodeChange, ...], now: datetime, listed_at: datetime
) -> None:
    known = {code.code: code for code in row.result_codes.all()}
    new, old = [], []
    for change in made:
        code = known.get(change.code)
        if code is None:
            code = ResultCode(vdn=row, code=change.code, first_seen=listed_at, last_seen=listed_at)
            new.append(code)
        else:
            old.append(code)
        if change.after is None:
            code.gone_at = now
        else:
            code.text_zh, code.text_en = change.after
            code.gone_at = None
    ResultCode.objects.bulk_create(new)
    ResultCode.objects.bulk_update(old, ["text_zh", "text_en", "gone_at"], batch_size=200)


@dataclass(frozen=True)
class Entry:
    """One change of the table. `way_back` lists what rolling back to it would change now."""

    row: CodeRefresh
    changes: tuple[CodeChange, ...]
    way_back: tuple[CodeChange, ...]


class NothingToChange(RuntimeError):
    """The table is the requested one already."""


def list_entries(*, scope: Scope, page: int, size: int) -> tuple[list[CodeRefresh], int]:
    """Return one page of the history, newest first, and the number of entries."""
    found = scope.vdn.code_refreshes.all()
    first = (page - 1) * size
    return list(found.defer("table")[first : first + size]), found.count()


def get_entry(*, scope: Scope, pk: int) -> Entry:
    """Return one entry with its changes. Raises VdnNotFound."""
    row = _get_refresh(scope, pk)
    made = tuple(parse_change(each) for each in row.changes)
    way_back = compare_tables(load_table(scope.vdn), parse_table(row.table))
    return Entry(row, made, way_back)


def roll_back(*, scope: Scope, pk: int, version: int) -> RefreshReport:
    """Restore the table as of this entry, if the current one is still that of `version`.

    Scheduled refreshes do not bring the replaced table back, until the vendor lists another one or
    a person refreshes. Raises PermissionMissing, VdnNotFound, TableChanged and NothingToChange.
    """
    scope.require(Permission.EDIT_RESULT_CODES)
    table = parse_table(_get_refresh(scope, pk).table)
    with lock_table(scope.vdn, version=version) as row:
        before = load_table(row)
        if before == table:
            raise NothingToChange
        row.codes_held = _get_vendor_fingerprint(row, hash_table(before))
        if row.codes_held == hash_table(table):
            row.codes_held = ""
        report = replace_table(
            row, table, kind=RefreshKind.ROLL_BACK, by=scope, name=scope.username, read_at=None
        )
    log.info("codes_rolled_back", vdn=scope.vdn.pk, by=scope.username, **report.counts())
    return report


def get_active_roll_back(vdn: Vdn) -> CodeRefresh | None:
    """Return the roll-back that is in force, or None."""
    if not vdn.codes_held:
        return None
    return vdn.code_refreshes.filter(kind=RefreshKind.ROLL_BACK).defer("table", "changes").first()


def _get_vendor_fingerprint(row: Vdn, replaced: str) -> str:
    """Return the fingerprint of the vendor's table as it was last read.

    That is the fingerprint of the replaced table, unless that was itself the result of a roll-back.
    """
    last = row.code_refreshes.values_list("kind", flat=True).first()
    return row.codes_held if last == RefreshKind.ROLL_BACK and row.codes_held else replaced


def _get_refresh(scope: Scope, pk: int) -> CodeRefresh:
    row = scope.vdn.code_refreshes.filter(pk=pk).first()
    if row is None:
        raise VdnNotFound
    return row
