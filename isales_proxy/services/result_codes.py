"""Refreshing the OBS result codes of a VDN: all pages in both languages, then one transaction.

Follows "Querying OBS Outbound Call Result Codes". A refresh that fails or stops half-way changes
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from isales_proxy import gateway
from isales_proxy.client.errors import IncompleteSweep, ISalesError
from isales_proxy.client.page import Page, iter_pages
from isales_proxy.client.queries import LOCALES, Locale, ResultCodeQuery
from isales_proxy.client.records import ResultCode as VendorCode
from isales_proxy.models import ResultCode, Vdn
from isales_proxy.services import code_book
from isales_proxy.services.code_book import CodeBook

log = structlog.get_logger("isales")

PAGE_ROWS: Final = 50
MAX_CODE_LENGTH: Final = 32
UNKNOWN_CODE_PAUSE: Final = timedelta(minutes=10)
_TURN_SECONDS: Final = 180
_FIRST_NEED_SECONDS: Final = 5.0
_FIRST_NEED_PAUSE_SECONDS: Final = 60

# Listened to by the jobs, which refresh the table out of the reader's way.
unknown_code_seen = Signal()

Progress = Callable[[int, int], None]


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
            refresh(vdn=vdn, by="first need", within=_FIRST_NEED_SECONDS)
        except (ISalesError, AlreadyRunning):
            log.warning("codes_not_there_yet", vdn=vdn.pk)
        vdn.refresh_from_db(fields=["codes_version", "codes_read_at"])
    return code_book.of(vdn)


def mind(vdn: Vdn, codes: set[str]) -> None:
    """Look at the codes that fresh rows bear; send `unknown_code_seen` when the table lacks one.

    At most once in ten minutes a VDN, and never before the table was first read.
    """
    if vdn.codes_read_at is None or codes <= code_book.of(vdn).codes.keys():
        return
    if cache.add(f"codes:unknown:{vdn.pk}", 1, UNKNOWN_CODE_PAUSE.total_seconds()):
        unknown_code_seen.send(sender=Vdn, vdn=vdn)


def refresh(
    *, vdn: Vdn, by: str, progress: Progress | None = None, within: float | None = None
) -> RefreshReport:
    """Read the whole code table in both languages and replace ours in one transaction.

    `progress` is told (codes read, codes expected). `within` bounds the whole in seconds. Raises
    ISalesError when the vendor fails and AlreadyRunning; then nothing has changed.
    """
    turn = f"codes:turn:{vdn.pk}"
    if not cache.add(turn, by, _TURN_SECONDS):
        raise AlreadyRunning
    try:
        texts = _read_all(vdn, progress or _silent, within)
        report = _replace(vdn, texts, datetime.now(UTC))
    finally:
        cache.delete(turn)
    log.info("codes_refreshed", vdn=vdn.pk, by=by, **report.counts())
    return report


def _silent(_read: int, _expected: int) -> None:
    """Progress that nobody watches."""


def _read_all(vdn: Vdn, progress: Progress, within: float | None) -> dict[str, dict[str, str]]:
    """Code → locale → words."""
    client = gateway.client()
    give_up = None if within is None else time.monotonic() + within
    texts: dict[str, dict[str, str]] = {}
    read = 0

    for locale in LOCALES:

        def fetch(number: int, locale: Locale = locale) -> Page[VendorCode]:
            nonlocal read
            left = None if give_up is None else max(0.05, give_up - time.monotonic())
            page = client.list_result_codes(
                vdn=vdn.pk,
                query=ResultCodeQuery(page=number, size=PAGE_ROWS, locale=locale),
                deadline=left,
            )
            read += len(page.items)
            progress(read, page.total * len(LOCALES))
            return page

        for item in iter_pages(fetch, key=lambda item: item.code):
            if not item.code:
                continue
            # PostgreSQL stores no NUL, and no documented code is longer than five digits.
            words = (item.description or "").replace("\x00", "")
            texts.setdefault(item.code.replace("\x00", "")[:MAX_CODE_LENGTH], {})[locale] = words
    if not texts:
        raise IncompleteSweep("The vendor lists no result code at all.")
    return texts


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
