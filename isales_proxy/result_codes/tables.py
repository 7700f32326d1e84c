"""The code table of a VDN as a whole: how two differ, and putting one in the place of another.

Every change of the table is one transaction, an entry of its history, and an event of the audit.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from django.db import transaction

from isales_proxy.access import Scope
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, CodeRefresh, RefreshKind, ResultCode, Vdn

MAX_CODE_LENGTH: Final = 32


class CodeText(NamedTuple):
    """The vendor's words for one code."""

    zh: str
    en: str


Table = dict[str, CodeText]
Kind = Literal["added", "removed", "reworded"]


@dataclass(frozen=True)
class CodeChange:
    """What becomes of one code. `before` is None for an added one, `after` for a removed one."""

    code: str
    kind: Kind
    before: CodeText | None
    after: CodeText | None


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did, in codes; one that the vendor dropped and lists again counts as added.

    `held` tells that nothing was taken over because the table was rolled back from just this.
    """

    kept: int
    added: int
    reworded: int
    removed: int
    read_at: datetime
    changes: tuple[CodeChange, ...] = ()
    held: bool = False

    def counts(self) -> dict[str, int]:
        """The four figures."""
        return {name: getattr(self, name) for name in ("kept", "added", "reworded", "removed")}


class TableChanged(RuntimeError):
    """The table is no longer the one that a person was shown."""


@contextmanager
def lock_table(vdn: Vdn, *, version: int | None = None) -> Iterator[Vdn]:
    """The row of the VDN in one transaction, in which nobody else changes its table.

    Raises TableMoved when the table is not that of `version`.
    """
    with transaction.atomic():
        row = Vdn.objects.select_for_update().get(pk=vdn.pk)
        if version is not None and row.codes_version != version:
            raise TableChanged
        yield row


def load_table(vdn: Vdn) -> Table:
    """The table as it stands, without the codes that are gone."""
    found = ResultCode.objects.filter(vdn=vdn, gone_at=None)
    return {
        code: CodeText(zh, en) for code, zh, en in found.values_list("code", "text_zh", "text_en")
    }


def compare_tables(before: Table, after: Table) -> tuple[CodeChange, ...]:
    """How one table becomes the other, by code."""
    found = []
    for code in sorted(before.keys() | after.keys()):
        old, new = before.get(code), after.get(code)
        if old == new:
            continue
        kind: Kind = "added" if old is None else "removed" if new is None else "reworded"
        found.append(CodeChange(code, kind, old, new))
    return tuple(found)


def hash_table(table: Table) -> str:
    """The same for equal tables alone."""
    text = json.dumps(sorted(table.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_table(kept: Mapping[str, Any]) -> Table:
    """A table as the history and the previews keep it."""
    return {code: CodeText(*words) for code, words in kept.items()}


def parse_change(kept: Mapping[str, Any]) -> CodeChange:
    """One change as the history keeps it."""
    before, after = (CodeText(*kept[side]) if kept[side] else None for side in ("before", "after"))
    return CodeChange(kept["code"], kept["kind"], before, after)


def build_report(table: Table, made: tuple[CodeChange, ...], read_at: datetime) -> RefreshReport:
    """These changes, which lead to `table`, in figures."""
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
    """Make `table` the one of a locked VDN; without a change only note that it was read.

    What a person did is audited even where it changed nothing.

    `read_at` (aware UTC) is when the vendor listed it so, None for one that was not read. `by` None
    is the system, and `name` says which part of it.
    """
    now = datetime.now(UTC)
    before = load_table(row)
    made = compare_tables(before, table)
    told = build_report(table, made, read_at or now)
    more: dict[str, Any] = {}
    if made:
        row.codes_version += 1
        _write(row, made, now, read_at or now)
        more["entry"] = _remember(row, table, made, told, kind, name, now).pk
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
            figures=told.counts(),
        )
    if read_at is not None:
        row.codes_read_at = read_at
        ResultCode.objects.filter(vdn=row, gone_at=None).update(last_seen=read_at)
    row.save(update_fields=["codes_version", "codes_read_at", "codes_held"])
    return told


def _write(row: Vdn, made: tuple[CodeChange, ...], now: datetime, listed_at: datetime) -> None:
    ours = {code.code: code for code in ResultCode.objects.filter(vdn=row)}
    new, old = [], []
    for change in made:
        code = ours.get(change.code)
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


def _remember(
    row: Vdn,
    table: Table,
    made: tuple[CodeChange, ...],
    told: RefreshReport,
    kind: RefreshKind,
    name: str,
    now: datetime,
) -> CodeRefresh:
    return CodeRefresh.objects.create(
        vdn=row,
        at=now,
        kind=kind,
        by=name,
        table=table,
        changes=[
            {"code": each.code, "kind": each.kind, "before": each.before, "after": each.after}
            for each in made
        ],
        added=told.added,
        removed=told.removed,
        reworded=told.reworded,
    )
