"""The code table of a VDN: read by everybody, refreshed by an admin, with progress in figures."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.htmx import answer, wants_fragment
from dashboard.moments import Moments
from dashboard.paging import count
from dashboard.permissions import vdn_page
from dashboard.readers import ReaderRequest
from isales_proxy.client.errors import ISalesError
from isales_proxy.services import problems, result_codes
from isales_proxy.services.access import Scope
from isales_proxy.services.code_book import CodeBook, CodeMeaning
from isales_proxy.services.result_codes import RefreshReport

_LONGEST_SEARCH = 64


@require_safe
@vdn_page()
def result_code_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/result-codes/`: the whole table, searchable."""
    wanted = request.GET.get("q", "").strip()[:_LONGEST_SEARCH]
    book = result_codes.book(scope.vdn)
    return answer(
        request,
        page="result_codes/list.html",
        fragment="result_codes/_table.html",
        context=_context(scope, book, wanted),
    )


@require_POST
@vdn_page(lambda scope: scope.may_refresh_codes)
def refresh(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Fetch the table anew; says what changed, or what failed and that nothing did."""
    problem = None
    status = 200
    try:
        state = _state("done", summary=summary(result_codes.refresh(scope=scope)))
    except result_codes.AlreadyRunning:
        state, status = _state("failed", summary=_("A refresh is already under way.")), 409
    except ISalesError as error:
        problem = problems.describe(error)
        state = _state("failed", summary=_("Nothing was changed."), problem=problem)
        status = problem.status
    if not wants_fragment(request):
        tell = messages.success if status == 200 else messages.error
        tell(request, " ".join(filter(None, [problem.title if problem else "", state["summary"]])))
        return redirect("result_codes", vdn_id=scope.vdn.pk)
    scope.vdn.refresh_from_db()
    return answer(
        request,
        page="result_codes/_refreshed.html",
        fragment="result_codes/_refreshed.html",
        context={"book": _facts(result_codes.book(scope.vdn)), "state": state},
        status=status,
        problem=problem,
    )


@require_safe
@vdn_page(lambda scope: scope.may_refresh_codes)
def progress(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """How far a refresh under way has come."""
    read, expected = result_codes.progress(scope=scope)
    return answer(
        request,
        page="result_codes/_progress.html",
        fragment="result_codes/_progress.html",
        context={
            "read": count(read),
            "expected": count(expected),
            "percent": round(100 * read / expected) if expected else 0,
            "running": bool(expected),
        },
    )


def summary(report: RefreshReport) -> str:
    """`118 kept, 2 added, 1 reworded`, and what the vendor no longer lists."""
    parts = [
        _("%s kept") % count(report.kept),
        _("%s added") % count(report.added),
        _("%s reworded") % count(report.reworded),
    ]
    if report.removed:
        parts.append(_("%s no longer listed") % count(report.removed))
    return _(", ").join(parts)


def _context(scope: Scope, book: CodeBook, wanted: str) -> dict[str, Any]:
    moments = Moments(timezone.now())
    language = get_language() or "en"
    rows = [
        _row(meaning, language, moments)
        for meaning in book.codes.values()
        if _matches(meaning, wanted.casefold())
    ]
    return {
        "book": _facts(book),
        "rows": rows,
        "shown": len(rows),
        "q": wanted,
        "zh_first": language.startswith("zh"),
        "refresh": {
            "can": scope.may_refresh_codes,
            "url": reverse("result_codes_refresh", args=[scope.vdn.pk]),
            "progress_url": reverse("result_codes_progress", args=[scope.vdn.pk]),
        },
        "state": _state("idle"),
    }


def _facts(book: CodeBook) -> dict[str, Any]:
    return {
        "as_of_text": Moments(timezone.now()).short(book.read_at),
        "as_of_iso": book.read_at.isoformat() if book.read_at else "",
        "count": len(book.codes),
        "empty": not book.codes,
    }


def _row(meaning: CodeMeaning, language: str, moments: Moments) -> dict[str, Any]:
    return {
        "code": meaning.code,
        "category": category(meaning.category),
        "text": meaning.text(language),
        "text_en": meaning.text_en,
        "text_zh": meaning.text_zh,
        "first_seen": moments.short(meaning.first_seen),
        "last_seen": moments.short(meaning.last_seen),
        "gone": moments.short(meaning.gone_at),
    }


def category(raw: str) -> str:
    """The category of the vendor's callback table in the reader's language; some codes have two."""
    words = {
        "success": _("Success"),
        "user-side release": _("Customer"),
        "normal platform release": _("Platform"),
        "insufficient system resources": _("Resources"),
        "system exception": _("System fault"),
    }
    return " · ".join(words.get(part, part) for part in raw.split(" | ") if part)


def _matches(meaning: CodeMeaning, wanted: str) -> bool:
    return not wanted or any(
        wanted in text.casefold()
        for text in (meaning.code, meaning.text_en, meaning.text_zh, category(meaning.category))
    )


def _state(
    name: str, *, summary: str = "", problem: problems.Problem | None = None
) -> dict[str, Any]:
    return {"name": name, "summary": summary, "problem": problem}
