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
from isales_proxy.client.number_rules import MASK
from isales_proxy.models import WriteBackState
from isales_proxy.result_codes import services as result_codes

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

    def __init__(self, scope: Scope, now: datetime | None = None) -> None:
        """Create the formatter of one page at `now` (aware)."""
        self.times = TimeFormatter(now or timezone.now())
        self.book = result_codes.get_book(scope.vdn)
        self.language = get_language() or "en"
        self.unknown_code = (
            _("unknown code (table of %s)") % self.times.short(self.book.read_at)
            if self.book.read_at
            else _("code table not loaded yet")
        )

    def format_code(self, code: str | None) -> str:
        """Return the meaning of a result code in the user's language."""
        if not code:
            return NOTHING
        if MASK in code:
            return _("hidden: it may be part of a number")
        meaning = self.book.get(code)
        return (meaning.text(self.language) if meaning else "") or self.unknown_code
