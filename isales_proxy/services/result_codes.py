"""Refreshing the OBS result codes of a VDN: all pages in both languages, then one transaction.

Follows "Querying OBS Outbound Call Result Codes". A refresh that fails or stops half-way changes
nothing.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from isales_proxy import gateway
from isales_proxy.client.errors import IncompleteSweep, ISalesError, TimedOut
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import LOCALES, Locale, ResultCodeQuery
from isales_proxy.client.records import ResultCode as VendorCode
from isales_proxy.configuration import isales
from isales_proxy.models import ResultCode, Vdn
from isales_proxy.services import code_book
from isales_proxy.services.access import Scope
from isales_proxy.services.code_book import CodeBook

log = structlog.get_logger("isales")

PAGE_ROWS: Final = 50
MAX_CODE_LENGTH: Final = 32
UNKNOWN_CODE_PAUSE: Final = timedelta(minutes=10)
_TURN_SECONDS: Final = 180
_WITHIN_SECONDS: Final = 150.0
_FIRST_NEED_SECONDS: Final = 5.0
_FIRST_NEED_PAUSE_SECONDS: Final = 60

# Listened to by the jobs, which refresh the table out of the reader's way.
unknown_code_seen = Signal()

Progress = Callable[[int, int], None]
_Placed = tuple[tuple[str, int], VendorCode]


class AlreadyRunning(RuntimeError):
    """Another refresh of the same VDN is under way."""


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did, in codes; one that the vendor dropped and lists again counts as added."""

    kept: int
    added: int
    reworded: int
    removed: int
    read_at: datetime

    def counts(self) -> dict[str, int]:
        """The four figures."""
        return {name: value for name, value in asdict(self).items() if name != "read_at"}


def book(vdn: Vdn) -> CodeBook:
    """The codes of this VDN; fetched now if they never were and the vendor lets us.

    The first need waits `_FIRST_NEED_SECONDS` at most and, where that fails, is tried again by the
    first reader after a minute.
    """
    if vdn.codes_read_at is None and cache.add(
        f"codes:first-need:{vdn.pk}", 1, _FIRST_NEED_PAUSE_SECONDS
    ):
        try:
            refresh_unattended(vdn=vdn, by="first need", within=_FIRST_NEED_SECONDS)
        except (ISalesError, AlreadyRunning):
            log.warning("codes_not_there_yet", vdn=vdn.pk)
        vdn.refresh_from_db(fields=["codes_version", "codes_read_at"])
    return code_book.of(vdn)


def mind(vdn: Vdn, codes: set[str]) -> None:
    """Look at the codes that fresh rows bear; send `unknown_code_seen` when the table lacks one.

    At most once in ten minutes a VDN, and never before the table was first read. Who listens may
    fail: the reader's rows do not depend on it.
    """
    if vdn.codes_read_at is None or codes <= code_book.of(vdn).codes.keys():
        return
    pause = f"codes:unknown:{vdn.pk}"
    if not cache.add(pause, 1, UNKNOWN_CODE_PAUSE.total_seconds()):
        return
    for _receiver, outcome in unknown_code_seen.send_robust(sender=Vdn, vdn=vdn):
        if isinstance(outcome, Exception):
            log.warning("unknown_code_not_minded", vdn=vdn.pk, error=type(outcome).__name__)
            cache.delete(pause)


def refresh(*, scope: Scope) -> RefreshReport:
    """Refresh at a person's wish. Raises NotAllowed, and what `refresh_unattended` raises."""
    scope.require(scope.may_refresh_codes)
    return refresh_unattended(vdn=scope.vdn, by=scope.username)


def refresh_unattended(
    *, vdn: Vdn, by: str, within: float = _WITHIN_SECONDS, progress: Progress | None = None
) -> RefreshReport:
    """Read the whole code table in both languages and replace ours in one transaction.

    `within` bounds the reading in seconds; `progress` is told (codes read, codes expected). Raises
    ISalesError when the vendor fails and AlreadyRunning; then nothing has changed.
    """
    turn, mine = f"codes:turn:{vdn.pk}", uuid.uuid4().hex
    if not cache.add(turn, mine, _TURN_SECONDS):
        raise AlreadyRunning

    def tell(read: int, expected: int) -> None:
        cache.set(_progress_key(vdn), (read, expected), _TURN_SECONDS)
        if progress is not None:
            progress(read, expected)

    try:
        texts = _read_all(vdn, tell, within)
        report = _replace(vdn, texts, datetime.now(UTC))
    finally:
        cache.delete(_progress_key(vdn))
        # A turn that ran out may be another's by now.
        if cache.get(turn) == mine:
            cache.delete(turn)
    log.info("codes_refreshed", vdn=vdn.pk, by=by, **report.counts())
    return report


def progress(*, scope: Scope) -> tuple[int, int]:
    """(codes read, codes expected) of a refresh under way; (0, 0) where there is none."""
    scope.require(scope.may_refresh_codes)
    read, expected = cache.get(_progress_key(scope.vdn), (0, 0))
    return read, expected


def _progress_key(vdn: Vdn) -> str:
    return f"codes:progress:{vdn.pk}"


def _read_all(vdn: Vdn, tell: Progress, within: float) -> dict[str, dict[str, str]]:
    """Code → locale → words."""
    give_up = time.monotonic() + within
    texts: dict[str, dict[str, str]] = {}
    read = 0

    for locale in LOCALES:

        def fetch(number: int, locale: Locale = locale) -> Page[_Placed]:
            nonlocal read
            left = give_up - time.monotonic()
            if left <= 0:
                raise TimedOut("The code table took too long to read.")
            page = gateway.client().list_result_codes(
                vdn=vdn.pk,
                query=ResultCodeQuery(page=number, size=PAGE_ROWS, locale=locale),
                deadline=left if left < isales().deadline else None,
            )
            read += len(page.items)
            tell(read, page.total * len(LOCALES))
            placed = tuple(_placed(page.items, number))
            return Page(items=placed, total=page.total, page=page.page, size=page.size)

        for _where, item in iter_pages(fetch, key=_place):
            code = item.code.replace("\x00", "")[:MAX_CODE_LENGTH]
            if code:
                # PostgreSQL stores no NUL.
                words = (item.description or "").replace("\x00", "")
                texts.setdefault(code, {})[locale] = words
    if not texts:
        raise IncompleteSweep("The vendor lists no result code at all.")
    return texts


def _place(placed: _Placed) -> tuple[str, int]:
    return placed[0]


def _placed(items: Iterable[VendorCode], page: int) -> Iterator[_Placed]:
    """Each row with what makes it one of its own in a sweep.

    That is its code; one that comes twice on a page counts twice, and one without a code counts as
    the row that it is: the vendor's total counts them too.
    """
    seen: Counter[str] = Counter()
    for place, item in enumerate(items):
        seen[item.code] += 1
        yield (item.code, seen[item.code]) if item.code else ("", page * PAGE_ROWS + place), item


def _replace(vdn: Vdn, texts: dict[str, dict[str, str]], now: datetime) -> RefreshReport:
    categories = code_book.reference_categories()
    kept = added = reworded = removed = 0
    with transaction.atomic():
        Vdn.objects.select_for_update().get(pk=vdn.pk)
        ours = {row.code: row for row in ResultCode.objects.filter(vdn=vdn)}
        new, changed = [], []
        for code, words in texts.items():
            text_zh, text_en = words.get("zh_CN", ""), words.get("en_US", "")
            row = ours.get(code)
            if row is None:
                added += 1
                row = ResultCode(vdn=vdn, code=code, first_seen=now)
                new.append(row)
            else:
                changed.append(row)
                if row.gone_at is not None:
                    added += 1
                elif (row.text_zh, row.text_en) != (text_zh, text_en):
                    reworded += 1
                else:
                    kept += 1
            row.text_zh, row.text_en = text_zh, text_en
            row.category = categories.get(code, "")
            row.last_seen, row.gone_at = now, None
        for code, row in ours.items():
            if code not in texts and row.gone_at is None:
                removed += 1
                row.gone_at = now
                changed.append(row)
        ResultCode.objects.bulk_create(new)
        ResultCode.objects.bulk_update(
            changed, ["text_zh", "text_en", "category", "last_seen", "gone_at"], batch_size=200
        )
        Vdn.objects.filter(pk=vdn.pk).update(
            codes_version=F("codes_version") + 1, codes_read_at=now
        )
    return RefreshReport(kept, added, reworded, removed, now)
