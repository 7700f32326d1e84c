"""Times and result codes of rows in the user's zone and language."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.ui.columns import NOTHING
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.models import WriteBackState
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeBook

# Tones of badges; their texts say the same.
WRITE_BACK_TONES: Final[dict[str, str]] = {
    WriteBackState.WAITING: "soon",
    WriteBackState.DELIVERED: "answered",
    WriteBackState.REFUSED: "late",
    WriteBackState.GIVEN_UP: "failed",
    WriteBackState.CANCELLED: "waiting",
}


class CodeFormatter:
    """Facts that all rows of a page share: times, language, code table."""

    def __init__(self, *, times: TimeFormatter, book: CodeBook, language: str) -> None:
        self.times = times
        self.book = book
        self.language = language
        self.unknown_code = (
            _("unknown code (table of %s)") % times.short(book.read_at)
            if book.read_at
            else _("code table not loaded yet")
        )

    def format_code(self, code: str | None) -> str:
        """Return the meaning of a result code in the user's language."""
        if not code:
            return NOTHING
        meaning = self.book.get(code)
        return (meaning.text(self.language) if meaning else "") or self.unknown_code


def create_code_formatter(scope: Scope, now: datetime | None = None) -> CodeFormatter:
    """Create the formatter of one page in this VDN; `now` is aware."""
    return CodeFormatter(
        times=TimeFormatter(now or timezone.now()),
        book=result_codes.get_book(scope.vdn),
        language=get_language() or "en",
    )
