"""Refresh of the code table, which is previewed before it is applied; its history, roll-back."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.result_codes import list_context
from dashboard.result_codes.columns import HISTORY_COLUMNS
from dashboard.result_codes.labels import (
    build_change_rows,
    describe_actor,
    get_origin_label,
    summarise,
)
from dashboard.ui.htmx import SeeOther, render_page_or_fragment, wants_fragment
from dashboard.ui.list_context import EmptyState, ListContext, explain_empty, render_list
from dashboard.ui.list_page import ListPage
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import LocalFormatter
from dashboard.ui.paging import format_count
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.form_fields import PageFilter
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.core.response_cache import hash_key
from isales_proxy.problems import Problem
from isales_proxy.result_codes import history as code_history
from isales_proxy.result_codes import refresh as code_refresh
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.history import TableChanged
from isales_proxy.result_codes.refresh import Preview

# Query parameter: ID of the stored result of a refresh.
_OUTCOME: Final = "outcome"


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.REFRESH_RESULT_CODES)
def refresh(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Read the vendor's table and show what it would change; nothing is applied.

    A GET shows the stored result of a POST without scripts.
    """
    if request.method != "POST":
        kept = cache.get(_get_outcome_key(scope, request.GET.get(_OUTCOME, "")))
        text = _("The result is no longer kept: refresh the table again.")
        state, status = kept or (_create_failure(text), 410)
        return _render_outcome(request, scope, state, status)
    try:
        preview = code_refresh.create_preview(scope=scope)
    except AlreadyRunning:
        return _render_outcome(
            request, scope, _create_failure(_("A refresh is already running.")), 409
        )
    except ISalesError as error:
        problem = problems.describe(error)
        # Only plain values, since a shared cache is also read by the next release.
        state = _create_failure(_("Nothing was changed.")) | {"problem": asdict(problem)}
        return _render_outcome(request, scope, state, problem.status)
    return _render_outcome(request, scope, _create_preview_state(preview), 200)


@require_POST
@vdn_page(Permission.REFRESH_RESULT_CODES)
def apply(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Apply the changes that were shown."""
    try:
        report = code_refresh.apply_preview(scope=scope, preview_id=request.POST.get("preview", ""))
    except code_refresh.Expired:
        text = _("The changes shown have expired. Nothing was changed: refresh the table again.")
        return _render_outcome(request, scope, _create_failure(text), 410)
    except TableChanged:
        text = _(
            "The table has changed since it was read, so nothing was applied. Please check again."
        )
        return _render_outcome(request, scope, _create_failure(text), 409)
    except code_refresh.Outdated as error:
        state = _create_preview_state(error.preview)
        state["warning"] = _(
            "The table was changed in the meantime, so nothing was applied. These are the "
            "current differences."
        )
        return _render_outcome(request, scope, state, 409)
    done = {"name": "done", "summary": summarise(report)}
    if wants_fragment(request):
        return _render_outcome(request, scope, done, 200)
    messages.success(request, done["summary"])
    return SeeOther(reverse("result_codes", args=[scope.vdn.pk]))


@require_safe
@vdn_page(Permission.REFRESH_RESULT_CODES)
def progress(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Show the progress of the current refresh."""
    read, expected = code_refresh.get_progress(scope=scope)
    return render_page_or_fragment(
        request,
        page="result_codes/_progress.html",
        fragment="result_codes/_progress.html",
        context={
            "read": format_count(read),
            "expected": format_count(expected),
            "percent": round(100 * read / expected) if expected else 0,
            "running": bool(expected),
        },
    )


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def history(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/result-codes/history/`: the changes of the table."""
    form = PageFilter(request.GET)
    address = ListUrl.from_filter(reverse("result_codes_history", args=[scope.vdn.pk]), form)
    formatter = LocalFormatter()
    listing = ListContext(
        page=ListPage(HISTORY_COLUMNS, address, _("History of the code table"), css="code-history"),
        form=form,
        styles=("css/result_codes.css",),
        scripts=("js/filters.js",),
        filters="",
        zone_text=formatter.times.zone_text,
    )
    if form.is_valid():
        rows, total = code_history.list_entries(scope=scope, page=address.page, size=address.size)
        listing.page.fill(
            rows,
            formatter,
            total=total,
            get_id=lambda row: f"h-{row.pk}",
            get_attributes=lambda row: (("data-entry", str(row.pk)), ("data-kind", row.kind)),
        )
        listing.add_pager()
        none = EmptyState("none", icon="book", title=_("The code table has never changed."))
        listing.empty = explain_empty(listing.page, no_match="", none=none)
    return render_list(
        request,
        listing,
        page="result_codes/history.html",
        fragment="lists/_results.html",
        held=_describe_roll_back(scope, formatter.times),
    )


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def entry(request: ReaderRequest, scope: Scope, refresh_id: int) -> HttpResponse:
    """Show one change of the table, and what rolling back to it would change."""
    found = code_history.get_entry(scope=scope, pk=refresh_id)
    row = found.row
    language = get_language() or "en"
    return render_page_or_fragment(
        request,
        page="result_codes/entry.html",
        fragment="result_codes/entry.html",
        context={
            "vdn_id": scope.vdn.pk,
            "entry": {
                "id": row.pk,
                "exact": TimeFormatter(timezone.now()).exact(row.at),
                "kind_text": get_origin_label(row),
                "by": describe_actor(row),
            },
            "changes": build_change_rows(found.changes, language),
            "way_back": build_change_rows(found.way_back, language),
            "version": scope.vdn.codes_version,
            "may_roll_back": scope.can(Permission.EDIT_RESULT_CODES) and bool(found.way_back),
        },
    )


@require_POST
@vdn_page(Permission.EDIT_RESULT_CODES)
def roll_back(request: ReaderRequest, scope: Scope, refresh_id: int) -> HttpResponse:
    """Restore the table as of this entry."""
    try:
        report = code_history.roll_back(
            scope=scope, pk=refresh_id, version=_get_posted_version(request)
        )
    except TableChanged:
        text = _(
            "The table was changed in the meantime, so nothing was rolled back. Please check again."
        )
    except code_history.NothingToChange:
        text = _("The table is already like this. Nothing was changed.")
    else:
        messages.success(request, _("Rolled back: %s.") % summarise(report))
        return SeeOther(reverse("result_codes_history", args=[scope.vdn.pk]))
    messages.warning(request, text)
    return SeeOther(reverse("result_codes_entry", args=[scope.vdn.pk, refresh_id]))


def _render_outcome(
    request: ReaderRequest, scope: Scope, state: dict[str, Any], status: int
) -> HttpResponse:
    """Render the result of a refresh within the page of the table, or as a page of its own.

    Without scripts the result is stored and the POST redirects (303) to it, since browsers cannot
    go back to a page that was the response to a POST.
    """
    if request.method == "POST" and not wants_fragment(request):
        outcome = uuid.uuid4().hex
        kept = (state, status)
        cache.set(_get_outcome_key(scope, outcome), kept, code_refresh.KEPT.total_seconds())
        place = reverse("result_codes_refresh", args=[scope.vdn.pk])
        return SeeOther(f"{place}?{urlencode({_OUTCOME: outcome})}")
    scope.vdn.refresh_from_db()
    found = state.get("problem")
    problem = Problem(**found) if found else None
    context = {
        "book": list_context.summarise_book(result_codes.get_book(scope.vdn)),
        "state": {"warning": "", "summary": ""} | state | {"problem": problem},
        "vdn_id": scope.vdn.pk,
        "held": _describe_roll_back(scope, TimeFormatter(timezone.now())),
    }
    return render_page_or_fragment(
        request,
        page="result_codes/refreshed.html",
        fragment="result_codes/_refreshed.html",
        context=context,
        status=status,
        problem=problem,
    )


def _get_outcome_key(scope: Scope, outcome: str) -> str:
    return f"codes:outcome:{scope.vdn.pk}:{scope.user_id}:{hash_key(outcome)}"


def _create_failure(text: str) -> dict[str, Any]:
    return {"name": "failed", "summary": text}


def _create_preview_state(preview: Preview) -> dict[str, Any]:
    times = TimeFormatter(timezone.now())
    read_at = times.clock(preview.report.read_at)
    if not preview.report.changes:
        text = _("Refreshed from CC-iSales at %s. No changes.") % read_at
        return {"name": "same", "summary": text}
    return {
        "name": "diff",
        "id": preview.id,
        "summary": summarise(preview.report),
        "read_at": read_at,
        "minutes": int(code_refresh.KEPT.total_seconds() // 60),
        "changes": build_change_rows(preview.report.changes, get_language() or "en"),
    }


def _describe_roll_back(scope: Scope, times: TimeFormatter) -> str:
    return list_context.describe_roll_back(code_history.get_active_roll_back(scope.vdn), times)


def _get_posted_version(request: ReaderRequest) -> int:
    """Return the version of the table that was shown; -1 for an invalid one."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
