"""Refreshing the code table: shown first, then applied; its history, and the way back in it."""

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
from dashboard.result_codes.labels import (
    build_change_rows,
    describe_actor,
    get_origin_label,
    summarise,
)
from dashboard.ui.htmx import SeeOther, render_page_or_fragment, wants_fragment
from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import build_pager, format_count
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.form_fields import DEFAULT_SIZE, PageFilter
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import CodeRefresh
from isales_proxy.problems import Problem
from isales_proxy.result_codes import history as code_history
from isales_proxy.result_codes import refresh as code_refresh
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.history import TableChanged
from isales_proxy.result_codes.refresh import Preview

# Query parameter: the kept result of a refresh.
_OUTCOME: Final = "outcome"


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.REFRESH_RESULT_CODES)
def refresh(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Read the vendor's table and show what it would change; nothing is applied.

    A GET shows the result of a POST that was made without scripts.
    """
    if request.method != "POST":
        kept = cache.get(_get_outcome_key(scope, request.GET.get(_OUTCOME, "")))
        text = _("The result is no longer kept: refresh the table again.")
        state, status = kept or (_failed(text), 410)
        return _outcome(request, scope, state, status)
    try:
        preview = code_refresh.create_preview(scope=scope)
    except AlreadyRunning:
        return _outcome(request, scope, _failed(_("A refresh is already running.")), 409)
    except ISalesError as error:
        problem = problems.describe(error)
        # Plain values alone: what a shared cache holds outlives a release.
        state = _failed(_("Nothing was changed.")) | {"problem": asdict(problem)}
        return _outcome(request, scope, state, problem.status)
    return _outcome(request, scope, _shown(preview), 200)


@require_POST
@vdn_page(Permission.REFRESH_RESULT_CODES)
def apply(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Apply what was shown, and only that."""
    try:
        report = code_refresh.apply_preview(scope=scope, preview_id=request.POST.get("preview", ""))
    except code_refresh.Expired:
        text = _("The changes shown have expired. Nothing was changed: refresh the table again.")
        return _outcome(request, scope, _failed(text), 410)
    except TableChanged:
        text = _(
            "The table has changed since it was read, so nothing was applied. Please check again."
        )
        return _outcome(request, scope, _failed(text), 409)
    except code_refresh.Outdated as error:
        state = _shown(error.preview)
        state["warning"] = _(
            "The table was changed in the meantime, so nothing was applied. These are the "
            "current differences."
        )
        return _outcome(request, scope, state, 409)
    done = {"name": "done", "summary": summarise(report)}
    if wants_fragment(request):
        return _outcome(request, scope, done, 200)
    messages.success(request, done["summary"])
    return SeeOther(reverse("result_codes", args=[scope.vdn.pk]))


@require_safe
@vdn_page(Permission.REFRESH_RESULT_CODES)
def progress(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Progress of a refresh under way."""
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
    """`/vdn/<id>/result-codes/history/`: who changed the table, when, and how much."""
    form = PageFilter(request.GET)
    good = form.is_valid()
    page, size = (
        (form.cleaned_data["page"], form.cleaned_data["size"]) if good else (1, DEFAULT_SIZE)
    )
    rows, total = code_history.list_entries(scope=scope, page=page, size=size) if good else ([], 0)
    times = TimeFormatter(timezone.now())
    address = ListUrl(reverse("result_codes_history", args=[scope.vdn.pk]), (), size, page)
    return render_page_or_fragment(
        request,
        page="result_codes/history.html",
        fragment="result_codes/_history.html",
        context={
            "rows": [_entry(row, times) for row in rows],
            "total": total,
            "form": form,
            "notice": build_parameter_notice(form, address.at(page=1)),
            "pager": build_pager(address, total=total, shown=len(rows)),
            "held": list_context.describe_hold(code_history.get_active_roll_back(scope.vdn), times),
        },
        status=200 if good else 422,
    )


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def entry(request: ReaderRequest, scope: Scope, refresh_id: int) -> HttpResponse:
    """One change of the table with its difference, and what going back to it would change."""
    found = code_history.get_entry(scope=scope, pk=refresh_id)
    language = get_language() or "en"
    return render_page_or_fragment(
        request,
        page="result_codes/entry.html",
        fragment="result_codes/entry.html",
        context={
            "vdn_id": scope.vdn.pk,
            "entry": _entry(found.row, TimeFormatter(timezone.now())),
            "changes": build_change_rows(found.changes, language),
            "way_back": build_change_rows(found.way_back, language),
            "version": scope.vdn.codes_version,
            "may_roll_back": scope.can(Permission.EDIT_RESULT_CODES) and bool(found.way_back),
        },
    )


@require_POST
@vdn_page(Permission.EDIT_RESULT_CODES)
def roll_back(request: ReaderRequest, scope: Scope, refresh_id: int) -> HttpResponse:
    """Make the table what it was after this entry."""
    try:
        report = code_history.roll_back(scope=scope, pk=refresh_id, version=_version(request))
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


def _outcome(
    request: ReaderRequest, scope: Scope, state: dict[str, Any], status: int
) -> HttpResponse:
    """Render the result of a refresh beside the table, or as a page of its own.

    A page of the browser's history that answers a POST cannot be gone back to: without scripts the
    result is kept and the POST redirects (303) to it.
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
        "held": list_context.describe_hold(
            code_history.get_active_roll_back(scope.vdn), TimeFormatter(timezone.now())
        ),
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


def _failed(text: str) -> dict[str, Any]:
    return {"name": "failed", "summary": text}


def _shown(preview: Preview) -> dict[str, Any]:
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


def _entry(row: CodeRefresh, times: TimeFormatter) -> dict[str, Any]:
    return {
        "id": row.pk,
        "url": reverse("result_codes_entry", args=[row.vdn_id, row.pk]),
        "at": times.short(row.at),
        "exact": times.exact(row.at),
        "kind": row.kind,
        "kind_text": get_origin_label(row),
        "by": describe_actor(row),
        "added": format_count(row.added) if row.added else "",
        "removed": format_count(row.removed) if row.removed else "",
        "reworded": format_count(row.reworded) if row.reworded else "",
    }


def _version(request: ReaderRequest) -> int:
    """Return the version that the person was shown; -1 for an invalid one."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
