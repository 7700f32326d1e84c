"""Pages of the code table of a VDN: list, export, one code, and its override."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.result_codes import columns, list_context
from dashboard.result_codes.forms import LONGEST_TEXT, CodeFilter, NoteForm
from dashboard.ui import form_drafts
from dashboard.ui.code_labels import explain, get_category_label, get_code_url
from dashboard.ui.htmx import SeeOther, render_page_or_fragment
from dashboard.ui.list_context import render_list
from dashboard.ui.list_page import SORT, add_sort_field
from dashboard.ui.local_lists import render_export, sort_rows
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts.form_drafts import once
from isales_proxy.models import CodeCategory
from isales_proxy.result_codes import history, occurrences, overrides
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import get_texts
from isales_proxy.result_codes.overrides import CodeDetail


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def result_code_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Show the filtered table at `/vdn/<id>/result-codes/`, or its fragment."""
    form = _create_filter(request)
    return render_list(
        request,
        list_context.create_context(scope, form, _find_rows(scope, form)),
        page="result_codes/list.html",
        fragment="result_codes/_fragment.html",
        **list_context.create_page_context(
            scope, result_codes.get_book(scope.vdn), history.get_active_roll_back(scope.vdn)
        ),
    )


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def export(request: ReaderRequest, scope: Scope, kind: str) -> HttpResponseBase:
    """Export the filtered table as a file."""
    form = _create_filter(request)
    if not form.is_valid():
        return result_code_list(request, vdn_id=scope.vdn.pk)
    rows = _find_rows(scope, form)
    file = render_export(
        request,
        kind,
        columns=columns.CODE_COLUMNS,
        rows=rows,
        formatter=columns.CodeRowFormatter(scope.vdn.pk),
        name="result-codes",
        total=len(rows),
        form=form,
        scope=scope,
    )
    if file is None:
        return SeeOther(reverse("result_codes", args=[scope.vdn.pk]))
    result_codes.record_export(scope=scope, kind=kind, rows=len(rows), filters=form.get_filters())
    return file


@require_safe
@vdn_page(Permission.SEE_RESULT_CODES)
def result_code(request: ReaderRequest, scope: Scope, code: str) -> HttpResponse:
    """Show one code at `/vdn/<id>/result-codes/<code>/`."""
    return render_page_or_fragment(
        request,
        page="result_codes/detail.html",
        fragment="result_codes/_detail.html",
        context={
            "detail": _create_detail_context(scope, overrides.get_detail(scope=scope, code=code))
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.EDIT_RESULT_CODES)
def note(request: ReaderRequest, scope: Scope, code: str) -> HttpResponse:
    """Show the form of an override; a POST saves it."""
    detail = overrides.get_detail(scope=scope, code=code)
    if request.method == "POST":
        return _save_override(request, scope, code)
    open_form = form_drafts.open_form(request)
    outcome = form_drafts.redirect_to_outcome(request, open_form)
    if outcome is not None:
        return outcome
    form = NoteForm(open_form.data)
    good = not open_form.judged or form.is_valid()
    return render_page_or_fragment(
        request,
        page="result_codes/note.html",
        fragment="result_codes/note.html",
        context={
            "detail": _create_detail_context(scope, detail),
            "fields": _create_fields_context(form, detail, judged=open_form.judged),
            "form": open_form,
        },
        status=open_form.status if good else 422,
    )


def _save_override(request: ReaderRequest, scope: Scope, code: str) -> HttpResponse:
    """Save or remove an override, once for each form; an invalid one is kept as a draft."""
    url = get_code_url(scope.vdn.pk, code)
    discarded = form_drafts.discard_if_asked(request, leave=url)
    if discarded is not None:
        return discarded
    key = form_drafts.get_posted_key(request)
    form = NoteForm(request.POST)
    remove = "remove" in request.POST
    if not remove and not form.is_valid():
        return form_drafts.save_and_redirect(request, key=key)

    def change() -> tuple[str, str]:
        if remove:
            overrides.remove_override(scope=scope, code=code)
        else:
            overrides.set_override(scope=scope, code=code, texts=form.texts())
        return url, ""

    _url, repeated = once(user=request.user, key=key, make=change)
    if not repeated:
        text = _("The built-in text is restored.") if remove else _("Saved.")
        messages.success(request, text)
    return SeeOther(url)


def _create_filter(request: ReaderRequest) -> CodeFilter:
    return add_sort_field(CodeFilter(request.GET), columns.CODE_COLUMNS)


def _find_rows(scope: Scope, form: CodeFilter) -> list[columns.CodeRow]:
    book = result_codes.get_book(scope.vdn)
    rows = columns.build_rows(book, occurrences.count_recent(scope.vdn))
    sort = form.cleaned_data[SORT] if form.is_valid() else ""
    return sort_rows(columns.filter_rows(rows, form), columns.CODE_COLUMNS, sort)


def _create_detail_context(scope: Scope, detail: CodeDetail) -> dict[str, Any]:
    times = TimeFormatter(timezone.now())
    row, written = detail.row, detail.note
    return {
        "vdn_id": scope.vdn.pk,
        "code": detail.code,
        "state": columns.get_state(row),
        "text_en": row.text_en if row else "",
        "text_zh": row.text_zh if row else "",
        "said": explain(detail.explained, get_language() or "en"),
        "seen": detail.seen,
        "first_seen": times.exact(row.first_seen) if row else "",
        "last_seen": times.exact(row.last_seen) if row else "",
        "gone": times.exact(row.gone_at) if row else "",
        "note": {"by": written.changed_by, "at": times.exact(written.changed_at)}
        if written
        else None,
        "edit_url": get_code_url(scope.vdn.pk, detail.code, "result_code_note")
        if scope.can(Permission.EDIT_RESULT_CODES)
        else "",
    }


def _create_fields_context(
    form: NoteForm, detail: CodeDetail, *, judged: bool
) -> list[dict[str, Any]]:
    current, shipped = get_texts(detail.explained), get_texts(detail.shipped)
    return [
        {
            "name": name,
            "label": str(form.fields[name].label),
            "value": str(form[name].value() or "") if form.is_bound else current[name],
            "shipped": get_category_label(shipped[name]) if name == "category" else shipped[name],
            "options": CodeCategory.choices if name == "category" else (),
            "errors": [str(error) for error in form.errors.get(name, [])] if judged else [],
            "longest": LONGEST_TEXT,
            "language": "zh-Hans" if name.endswith("_zh") else "en" if name != "category" else "",
        }
        for name in form.fields
    ]
