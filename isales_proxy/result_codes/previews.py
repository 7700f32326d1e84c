"""What a refresh would change, shown to the person who asked before anything is applied.

The table that was read is kept for a while under a number that nobody can guess; it belongs to the
person, the VDN and the version of the table that it was compared with. Once the vendor's table was
read later and was another one, an older reading is never put over that.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.cache import cache

from isales_proxy.access import Permission, Scope
from isales_proxy.models import RefreshKind, Vdn
from isales_proxy.result_codes import refresh, tables
from isales_proxy.result_codes.tables import RefreshReport, Table, TableChanged

KEPT: Final = timedelta(minutes=15)
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Preview:
    """What the vendor's table would change.

    `id` names it to `apply`; it is "" where nothing differs.
    """

    id: str
    report: RefreshReport


class Expired(LookupError):
    """There is no such preview, or no longer; or it is another person's."""


class Outdated(RuntimeError):
    """Ours has changed since, by no reading; nothing was applied. `preview` is the one of now."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("The table has changed since the preview.")
        self.preview = preview


def create_preview(*, scope: Scope) -> Preview:
    """Read the vendor's table and say what it would change; without a change that is noted.

    Raises NotAllowed, and what `reading.reading` raises.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    with refresh.fetch_table(scope.vdn) as table:
        read_at = datetime.now(UTC)
        latest = {"read_at": read_at.isoformat(), "table": tables.hash_table(table)}
        # For as long as an older preview may be kept.
        cache.set(_latest_key(scope.vdn), latest, KEPT.total_seconds())
        return _compare(scope, table, read_at)


def apply_preview(*, scope: Scope, preview_id: str) -> RefreshReport:
    """Apply exactly what was shown.

    Raises NotAllowed, Expired, Outdated, and TableMoved when a later reading found another table.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    key = _key(scope, preview_id)
    kept: dict[str, Any] | None = cache.get(key) if _ID.fullmatch(preview_id) else None
    if kept is None:
        raise Expired
    table = tables.parse_table(kept["table"])
    read_at = datetime.fromisoformat(kept["read_at"])
    report = None
    with tables.lock_table(scope.vdn) as row:
        overtaken = _overtaken(row, table, read_at)
        if not overtaken and row.codes_version == kept["version"]:
            row.codes_held = ""
            report = tables.replace_table(
                row, table, kind=RefreshKind.PERSON, by=scope, name=scope.username, read_at=read_at
            )
    cache.delete(key)
    if overtaken:
        raise TableChanged
    if report is None:
        raise Outdated(_compare(scope, table, read_at))
    return report


def _overtaken(row: Vdn, table: Table, read_at: datetime) -> bool:
    """Whether the vendor's table was read later and may have been another one by then."""
    if row.codes_read_at is not None and row.codes_read_at > read_at:
        # What is held off is what that reading found; all else that it found we have.
        return tables.hash_table(table) != row.codes_held
    latest: dict[str, str] | None = cache.get(_latest_key(row))
    return (
        latest is not None
        and datetime.fromisoformat(latest["read_at"]) > read_at
        and latest["table"] != tables.hash_table(table)
    )


def _compare(scope: Scope, table: Table, read_at: datetime) -> Preview:
    with tables.lock_table(scope.vdn) as row:
        found = tables.compare_tables(tables.load_table(row), table)
        report = tables.build_report(table, found, read_at)
        if not found:
            _note_unchanged(row, scope, table, read_at)
            return Preview("", report)
        version = row.codes_version
    preview_id = uuid.uuid4().hex
    # Plain values alone: what a shared cache holds outlives a release.
    kept = {
        "table": {code: list(words) for code, words in table.items()},
        "read_at": read_at.isoformat(),
        "version": version,
    }
    cache.set(_key(scope, preview_id), kept, KEPT.total_seconds())
    return Preview(preview_id, report)


def _note_unchanged(row: Vdn, scope: Scope, table: Table, read_at: datetime) -> None:
    later = row.codes_read_at is not None and row.codes_read_at >= read_at
    if not later:
        row.codes_held = ""
    tables.replace_table(
        row,
        table,
        kind=RefreshKind.PERSON,
        by=scope,
        name=scope.username,
        read_at=None if later else read_at,
    )


def _latest_key(vdn: Vdn) -> str:
    return f"codes:latest-reading:{vdn.pk}"


def _key(scope: Scope, preview_id: str) -> str:
    return f"codes:preview:{scope.vdn.pk}:{scope.user_id}:{preview_id}"
