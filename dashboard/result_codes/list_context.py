"""Context of the code table: its rows, and when and how it was read."""

from __future__ import annotations

from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.result_codes.columns import CODE_COLUMNS, CodeRow, CodeRowFormatter, get_state
from dashboard.result_codes.forms import CodeFilter
from dashboard.ui.list_context import EmptyState, Link, ListContext, explain_no_match
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.models import CodeRefresh
from isales_proxy.result_codes.book import CodeBook

IDLE: Final = {"name": "idle", "problem": None, "warning": "", "summary": ""}


def create_context(
    scope: Scope, form: CodeFilter, rows: list[CodeRow]
) -> ListContext[CodeRow, CodeRowFormatter]:
    """Create the context of the table and its filter."""
    address = ListUrl.from_filter(
        reverse("result_codes", args=[scope.vdn.pk]), form, form.base_fields
    )
    page = ListPage(CODE_COLUMNS, address, _("Result codes"), css="codes")
    page.fill(
        rows,
        CodeRowFormatter(scope.vdn.pk),
        total=len(rows),
        get_id=lambda line: f"code-{line.row.code}",
        get_attributes=lambda line: (
            ("data-code", line.row.code),
            ("data-state", get_state(line.row)),
        ),
    )
    count = ngettext("%(counter)s code", "%(counter)s codes", len(rows)) % {"counter": len(rows)}
    return ListContext(
        page=page,
        form=form,
        styles=("css/result_codes.css",),
        scripts=("js/filters.js", "js/keys.js", "js/result_codes.js"),
        total_text=count,
        rows_text=count,
        none_text=count,
        files=page,
        has_own_requests=True,
        # The table is in memory.
        typing_delay=250,
        empty=_explain_no_codes(form, address),
    )


def _explain_no_codes(form: CodeFilter, address: ListUrl) -> EmptyState | None:
    if not form.is_valid():
        texts = [str(error) for name in form.base_fields for error in form.errors.get(name, ())]
        title = _("Please correct the filter.")
        return (
            EmptyState("bad-filter", icon="pencil-exclamation", title=title, texts=texts)
            if texts
            else None
        )
    if address.filters:
        return explain_no_match(_("No code matches"), Link(address.path, _("Show all codes")))
    text = _(
        "Until then reservations show only the codes. An admin can refresh the table from "
        "CC-iSales."
    )
    title = _("The code table has not been loaded yet")
    return EmptyState("not-loaded", icon="book", title=title, texts=[text])


def create_page_context(
    scope: Scope, book: CodeBook, roll_back: CodeRefresh | None
) -> dict[str, Any]:
    """Create the context of the rest of the page: state of the table, and its refresh."""
    vdn = [scope.vdn.pk]
    return {
        "book": summarise_book(book),
        "held": describe_roll_back(roll_back, TimeFormatter(timezone.now())),
        "state": IDLE,
        "refresh": {
            "can": scope.can(Permission.REFRESH_RESULT_CODES),
            "url": reverse("result_codes_refresh", args=vdn),
            "progress_url": reverse("result_codes_progress", args=vdn),
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


def describe_roll_back(row: CodeRefresh | None, times: TimeFormatter) -> str:
    """Describe the roll-back that is in force; "" for None."""
    if row is None:
        return ""
    return _(
        "Rolled back by %(by)s, %(at)s. Scheduled refreshes keep this table until CC-iSales lists "
        "another one or an admin refreshes it."
    ) % {"by": row.by, "at": times.short(row.at)}
