"""Reading of the vendor's code table, and previews of a refresh before it is applied.

Follows "Querying OBS Outbound Call Result Codes": all pages in both languages, by one reader of a
VDN at a time. A preview is stored for a while for one person, VDN and version of our table. It
cannot be applied any more once the vendor's table was read later and had changed.
"""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.cache import cache

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import IncompleteSweep, TimedOut
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import LOCALES, Locale, ResultCodeQuery
from isales_proxy.client.records import ResultCode as VendorCode
from isales_proxy.core import locks
from isales_proxy.models import RefreshKind, Vdn
from isales_proxy.result_codes import history
from isales_proxy.result_codes.history import (
    MAX_CODE_LENGTH,
    CodeText,
    RefreshReport,
    Table,
    TableChanged,
)
from isales_proxy.vendor import gateway

PAGE_ROWS: Final = 50
WITHIN_SECONDS: Final = 150.0
_LOCK_SECONDS: Final = 180

KEPT: Final = timedelta(minutes=15)
_PREVIEW_ID: Final = re.compile(r"[0-9a-f]{32}")

_KeyedCode = tuple[tuple[str, int], VendorCode]


@contextmanager
def fetch_table(vdn: Vdn, *, within: float = WITHIN_SECONDS) -> Iterator[Table]:
    """Read the vendor's whole table; nobody else reads it until the end of the block.

    `within` limits the time in seconds. Raises ISalesError when the vendor fails, IncompleteSweep
    for an empty table, and AlreadyRunning while another reader is at work.
    """
    with locks.hold_lock(f"codes:turn:{vdn.pk}", seconds=_LOCK_SECONDS):
        try:
            texts = _read_all(vdn, within)
        finally:
            cache.delete(_progress_key(vdn))
        yield {
            code: CodeText(words.get("zh_CN", ""), words.get("en_US", ""))
            for code, words in texts.items()
        }


def get_progress(*, scope: Scope) -> tuple[int, int]:
    """Return the numbers of codes read and expected by the current reader; (0, 0) without one.

    Raises PermissionMissing.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    read, expected = cache.get(_progress_key(scope.vdn), (0, 0))
    return read, expected


def _progress_key(vdn: Vdn) -> str:
    return f"codes:progress:{vdn.pk}"


def _read_all(vdn: Vdn, within: float) -> dict[str, dict[str, str]]:
    """Return the texts of each code by locale."""
    give_up = time.monotonic() + within
    texts: dict[str, dict[str, str]] = {}
    read = 0

    for locale in LOCALES:

        def fetch(number: int, locale: Locale = locale) -> Page[_KeyedCode]:
            nonlocal read
            left = give_up - time.monotonic()
            if left <= 0:
                raise TimedOut("The code table took too long to read.")
            page = gateway.get_client(vdn).list_result_codes(
                vdn=vdn.pk,
                query=ResultCodeQuery(page=number, size=PAGE_ROWS, locale=locale),
                deadline=left if left < settings.ISALES.deadline else None,
            )
            read += len(page.items)
            progress = (read, page.total * len(LOCALES))
            cache.set(_progress_key(vdn), progress, _LOCK_SECONDS)
            keyed = tuple(_add_keys(page.items, number))
            return Page(items=keyed, total=page.total, page=page.page, size=page.size)

        for _key, item in iter_pages(fetch, key=lambda keyed: keyed[0]):
            code = item.code.replace("\x00", "")[:MAX_CODE_LENGTH]
            if code:
                # PostgreSQL stores no NUL.
                text = (item.description or "").replace("\x00", "")
                texts.setdefault(code, {})[locale] = text
    if not texts:
        raise IncompleteSweep("The vendor lists no result code at all.")
    return texts


def _add_keys(items: Iterable[VendorCode], page: int) -> Iterator[_KeyedCode]:
    """Yield each row with a unique key: its code and how often that came on the page, or the place
    of a row without a code. The vendor's total counts duplicates and rows without a code, too.
    """
    seen: Counter[str] = Counter()
    for place, item in enumerate(items):
        seen[item.code] += 1
        yield (item.code, seen[item.code]) if item.code else ("", page * PAGE_ROWS + place), item


@dataclass(frozen=True)
class Preview:
    """Changes from our table to the vendor's. `id` is "" without changes."""

    id: str
    report: RefreshReport


class Expired(LookupError):
    """The preview no longer exists, or is another person's."""


class Outdated(RuntimeError):
    """Our table has changed since the preview. `preview` compares with the current one."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("The table has changed since the preview.")
        self.preview = preview


def create_preview(*, scope: Scope) -> Preview:
    """Read the vendor's table and compare it with ours; record that it was read if they are equal.

    Raises PermissionMissing, and what `fetch_table` raises.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    with fetch_table(scope.vdn) as table:
        read_at = datetime.now(UTC)
        latest = {"read_at": read_at.isoformat(), "table": history.hash_table(table)}
        # For as long as an older preview may be kept.
        cache.set(_latest_key(scope.vdn), latest, KEPT.total_seconds())
        return _compare(scope, table, read_at)


def apply_preview(*, scope: Scope, preview_id: str) -> RefreshReport:
    """Apply the changes of a preview.

    Raises PermissionMissing, Expired, Outdated, and TableChanged when the vendor's table was read
    later and had changed.
    """
    scope.require(Permission.REFRESH_RESULT_CODES)
    key = _preview_key(scope, preview_id)
    kept: dict[str, Any] | None = cache.get(key) if _PREVIEW_ID.fullmatch(preview_id) else None
    if kept is None:
        raise Expired
    table = history.parse_table(kept["table"])
    read_at = datetime.fromisoformat(kept["read_at"])
    report = None
    with history.lock_table(scope.vdn) as row:
        overtaken = _is_overtaken(row, table, read_at)
        if not overtaken and row.codes_version == kept["version"]:
            row.codes_held = ""
            report = history.replace_table(
                row, table, kind=RefreshKind.PERSON, by=scope, name=scope.username, read_at=read_at
            )
    cache.delete(key)
    if overtaken:
        raise TableChanged
    if report is None:
        raise Outdated(_compare(scope, table, read_at))
    return report


def _is_overtaken(row: Vdn, table: Table, read_at: datetime) -> bool:
    """Tell whether the vendor's table was read later and may have changed."""
    if row.codes_read_at is not None and row.codes_read_at > read_at:
        # After a roll-back that table was not applied; any other was.
        return history.hash_table(table) != row.codes_held
    latest: dict[str, str] | None = cache.get(_latest_key(row))
    return (
        latest is not None
        and datetime.fromisoformat(latest["read_at"]) > read_at
        and latest["table"] != history.hash_table(table)
    )


def _compare(scope: Scope, table: Table, read_at: datetime) -> Preview:
    with history.lock_table(scope.vdn) as row:
        found = history.compare_tables(history.load_table(row), table)
        report = history.build_report(table, found, read_at)
        if not found:
            _record_unchanged(row, scope, table, read_at)
            return Preview("", report)
        version = row.codes_version
    preview_id = uuid.uuid4().hex
    # Only plain values, since a shared cache is also read by the next release.
    kept = {
        "table": {code: list(words) for code, words in table.items()},
        "read_at": read_at.isoformat(),
        "version": version,
    }
    cache.set(_preview_key(scope, preview_id), kept, KEPT.total_seconds())
    return Preview(preview_id, report)


def _record_unchanged(row: Vdn, scope: Scope, table: Table, read_at: datetime) -> None:
    later = row.codes_read_at is not None and row.codes_read_at >= read_at
    if not later:
        row.codes_held = ""
    history.replace_table(
        row,
        table,
        kind=RefreshKind.PERSON,
        by=scope,
        name=scope.username,
        read_at=None if later else read_at,
    )


def _latest_key(vdn: Vdn) -> str:
    return f"codes:latest-reading:{vdn.pk}"


def _preview_key(scope: Scope, preview_id: str) -> str:
    return f"codes:preview:{scope.vdn.pk}:{scope.user_id}:{preview_id}"
