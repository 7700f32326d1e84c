"""Results written back, and those waiting: the list, one with its journal, and the form."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.boards import reading
from dashboard.htmx import answer, wants_fragment
from dashboard.moments import Moments
from dashboard.permissions import vdn_page
from dashboard.readers import ReaderRequest
from dashboard.responses import SeeOther, private
from dashboard.write_backs import boards, fields, words
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.outbox_filter import OutboxFilter
from isales_proxy.services import problems, result_codes, tasks, write_backs
from isales_proxy.services.numbers.budgets import SearchesSpent
from isales_proxy.services.problems import Problem
from isales_proxy.services.write_backs import NoSuchWriteBack, NotAsItStands, drafts, outbox
from isales_proxy.services.write_backs.drafts import Draft
from isales_proxy.write_back_form import (
    LONGEST_KEY,
    LONGEST_SOURCE,
    LONGEST_UNIQUE_ID,
    WriteBackForm,
)

_LONGEST_NUMBER = 18


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def write_back_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/write-backs/`: one page of the outbox, or its fragment."""
    form = OutboxFilter(request.GET)
    board, status = _board(request, scope, form)
    return answer(
        request,
        page="write_backs/list.html",
        fragment="write_backs/_fragment.html",
        context={
            "form": form,
            "board": board,
            "tasks": fields.offered(tasks.known(scope=scope)),
        },
        status=status,
        problem=board.problem,
    )


def _board(request: ReaderRequest, scope: Scope, form: OutboxFilter) -> tuple[boards.Board, int]:
    now = timezone.now()
    if not form.is_valid():
        return boards.blank(scope, form, now), 422
    shown = form.cleaned_data["shown"] if wants_fragment(request) else ()
    newer = None
    try:
        if shown:
            found, newer = outbox.again(scope=scope, query=form.query(), shown=shown)
        else:
            found = outbox.listed(scope=scope, query=form.query())
    except SearchesSpent as error:
        board = boards.blank(scope, form, now)
        board.problem = problems.searches_spent(error)
        return board, board.problem.status
    return boards.filled(scope, form, found, now, newer=newer), 200


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def write_back(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """`/vdn/<id>/write-backs/<pk>/`: what is said, how it stands, and every attempt."""
    try:
        story = outbox.one(scope=scope, pk=pk)
    except NoSuchWriteBack:
        raise Http404 from None
    return answer(
        request,
        page="write_backs/detail.html",
        fragment="write_backs/_detail.html",
        context={"detail": boards.detail(scope, story, timezone.now())},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.WRITE_BACK)
def write_back_new(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/write-backs/new/`: the form; posted, what will be sent; confirmed, stored."""
    if request.method != "POST":
        draft, problem, status = _draft(request, scope)
        form = _form(scope, None)
        return _page(request, scope, form, draft=draft, problem=problem, status=status)
    form = _form(scope, request.POST)
    reservation = request.POST.get("reservation", "")[:LONGEST_UNIQUE_ID]
    number_of = request.POST.get("number_of", "")[:LONGEST_SOURCE]
    draft = Draft(
        appoint_id=reservation,
        sources=drafts.sources(scope=scope, key=number_of),
    )
    if not form.is_valid():
        return _page(request, scope, form, draft=draft, status=422)
    if "change" in request.POST:
        return _page(request, scope, form, draft=draft)
    key = request.POST.get("key", "")
    try:
        if "confirm" not in request.POST or not 0 < len(key) <= LONGEST_KEY:
            return _preview(request, scope, form)
        row = write_backs.queue(
            scope=scope,
            result=form.result(),
            key=key,
            appoint_id=form.cleaned_data["reservation"],
            number_of=form.cleaned_data["number_of"],
        )
    except NotAsItStands as error:
        return _page(request, scope, form, draft=draft, notice=error.sentence, status=409)
    return _to_page(scope, row.pk)


@require_POST
@vdn_page(Permission.WRITE_BACK)
def retry(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """Try one again that ended without being delivered."""
    return _do(request, scope, pk, write_backs.retry)


@require_POST
@vdn_page(Permission.WRITE_BACK)
def cancel(request: ReaderRequest, scope: Scope, pk: int) -> HttpResponse:
    """Send one no more that still waits."""
    return _do(request, scope, pk, write_backs.cancel)


def _do(
    request: ReaderRequest, scope: Scope, pk: int, deed: Callable[..., WriteBack]
) -> HttpResponse:
    try:
        deed(scope=scope, pk=pk)
    except NoSuchWriteBack:
        raise Http404 from None
    except NotAsItStands as error:
        messages.error(request, error.sentence)
    return _to_page(scope, pk)


def _to_page(scope: Scope, pk: int) -> HttpResponse:
    return SeeOther(reverse("write_back", args=[scope.vdn.pk, pk]))


def _form(scope: Scope, data: Any) -> WriteBackForm:
    book = result_codes.book(scope.vdn)
    return WriteBackForm(data, scope=scope, book=book, now=timezone.now())


def _draft(request: ReaderRequest, scope: Scope) -> tuple[Draft, Problem | None, int]:
    """What the address says that the result is about, why it is not known, and the status."""
    datum = request.GET.get("datum", "")
    if datum:
        number = int(datum) if datum.isdecimal() and len(datum) <= _LONGEST_NUMBER else 0
        found = drafts.of_datum(scope=scope, pk=number)
        if found is None:
            raise Http404
        return found, None, 200
    reservation = request.GET.get("reservation", "")
    if not reservation:
        return Draft(), None, 200
    try:
        found = drafts.of_reservation(scope=scope, appoint_id=reservation)
    except ISalesError as error:
        problem = problems.describe(error)
        return Draft(), problem, problem.status
    if found is None:
        raise Http404
    return found, None, 200


def _page(
    request: ReaderRequest,
    scope: Scope,
    form: WriteBackForm,
    *,
    draft: Draft,
    problem: Problem | None = None,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    groups = fields.groups(
        form,
        draft,
        book=form.book,
        language=get_language() or "en",
        tasks=tasks.known(scope=scope),
    )
    context = {
        "vdn_id": scope.vdn.pk,
        "groups": groups,
        "bad": sum(bool(view.errors) for _title, views in groups for view in views),
        "reservation": draft.appoint_id,
        "problem": problem,
        "notice": notice,
        "zone_text": Moments(timezone.now()).zone_text,
    }
    return private(render(request, "write_backs/form.html", context, status=status))


def _preview(request: ReaderRequest, scope: Scope, form: WriteBackForm) -> HttpResponse:
    result = form.result()
    body = write_backs.preview(scope=scope, result=result, number_of=form.cleaned_data["number_of"])
    earlier = outbox.states_of(scope=scope, unique_id=result.unique_id)
    context = {
        "vdn_id": scope.vdn.pk,
        "facts": words.facts(body, scope.vdn, reading(scope), tasks.known(scope=scope)),
        "json": words.as_json(body),
        "given": fields.given(form),
        "key": str(uuid.uuid4()),
        "contradicts": form.contradicts(),
        "waiting": earlier.count(WriteBackState.WAITING),
        "delivered": WriteBackState.DELIVERED in earlier,
        "zone_text": Moments(timezone.now()).zone_text,
    }
    return private(render(request, "write_backs/preview.html", context))
