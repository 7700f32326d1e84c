"""Context of the code table: rows found by a filter, and the state of the table."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.result_codes.columns import CODE_COLUMNS, CodeRow, CodeRowFormatter
from dashboard.result_codes.forms import STATES, CodeFilter
from dashboard.ui.list_page import SORT, ListPage
from dashboard.ui.list_url import ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.models import CodeCategory, CodeRefresh
from isales_proxy.result_codes.book import CodeBook


def create_context(
    scope: Scope, book: CodeBook, form: CodeFilter, rows: list[CodeRow], held: CodeRefresh | None
) -> dict[str, Any]:
    """Create the context of the page and its fragment."""
    formatter = CodeRowFormatter(scope.vdn.pk)
    here = [scope.vdn.pk]
    good = form.is_valid()
    asked = tuple(form.asked().items()) if good else ()
    address = ListUrl(
        reverse("result_codes", args=here), asked, DEFAULT_SIZE, 1, form.cleaned_data.get(SORT, "")
    )
    page = ListPage(CODE_COLUMNS, address, _("Result codes"), css="codes")
    page.fill(
        rows,
        formatter,
        total=len(rows),
        get_id=lambda line: f"code-{line.code}",
        get_attributes=lambda line: (("data-code", line.code), ("data-state", line.state)),
    )
    return {
        "book": summarise_book(book),
        "form": form,
        "page": page,
        "filtered": bool(asked) or not good,
        "categories": CodeCategory.choices,
        "states": STATES,
        "held": describe_hold(held, formatter.times),
        "refresh": {
            "can": scope.can(Permission.REFRESH_RESULT_CODES),
            "url": reverse("result_codes_refresh", args=here),
            "progress_url": reverse("result_codes_progress", args=here),
        },
    }


def summarise_book(book: CodeBook) -> dict[str, Any]:
    """Return the number of codes and when they were read."""
    return {
        "as_of_text": TimeFormatter(timezone.now()).short(book.read_at),
        "as_of_iso": book.read_at.isoformat() if book.read_at else "",
        "count": sum(row.gone_at is None for row in book.codes.values()),
        "empty": not book.codes,
    }


def describe_hold(held: CodeRefresh | None, moments: TimeFormatter) -> str:
    """Describe the roll-back that keeps the vendor's table out; "" where none does."""
    if held is None:
        return ""
    return _(
        "Rolled back by %(by)s, %(at)s. Scheduled refreshes keep this table until CC-iSales lists "
        "another one or an admin refreshes it."
    ) % {"by": held.by, "at": moments.short(held.at)}
