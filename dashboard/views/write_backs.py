"""Results written back, and those waiting: the list, one with its journal, and the form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import form_drafts
from dashboard.boards import reading
from dashboard.form_drafts import OpenForm
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
from isales_proxy.services import form_drafts as form_services
from isales_proxy.services import problems, result_codes, tasks, write_backs
from isales_proxy.services.numbers.budgets import SearchesSpent
from isales_proxy.services.problems import Problem
from isales_proxy.services.vendor_times import is_twofold
from isales_proxy.services.write_backs import NoSuchWriteBack, NotAsItStands, drafts, outbox
from isales_proxy.services.write_backs.drafts import Draft, Source
from isales_proxy.write_back_form import (
    LONGEST_SOURCE,
    LONGEST_UNIQUE_ID,
    TIMES,
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
    """`/vdn/<id>/write-backs/new/`: the form, its review, and the refusal of either; a POST keeps
    the draft and leads there, or stores the result that was confirmed."""
    if request.method != "POST":
        open_form = form_drafts.opened(request)
        return form_drafts.led_away(request, open_form) or _shown(request, scope, open_form)
    outbox_url = reverse("write_backs", args=[scope.vdn.pk])
    left = form_drafts.discarded(request, leave=request.POST.get("back") or outbox_url)
    if left is not None:
        return left
    key = form_drafts.posted_key(request)
    form = _form(scope, request.POST)
    if not form.is_valid() or "change" in request.POST:
        return form_drafts.keep(request, key=key)
    if "confirm" not in request.POST or key != request.POST.get(form_drafts.KEY):
        return form_drafts.keep(request, key=key, review=True)
    try:
        row = write_backs.queue(
            scope=scope,
            result=form.result(),
            key=key,
            appoint_id=form.cleaned_data["reservation"],
            number_of=form.cleaned_data["number_of"],
        )
    except NotAsItStands as error:
        return form_drafts.keep(request, key=key, notice=error.sentence, status=409)
    answer = _to_page(scope, row.pk)
    form_services.finish(user=request.user, key=key, outcome=answer.headers["Location"])
    return answer


def _shown(request: ReaderRequest, scope: Scope, open_form: OpenForm) -> HttpResponse:
    """The form at this address or its review."""
    form = _form(scope, open_form.data)
    draft, problem, status = _draft(request, scope, open_form)
    if open_form.data is None:
        return _page(request, scope, form, open_form, draft=draft, problem=problem, status=status)
    status = open_form.status
    if open_form.judged and not form.is_valid():
        status = 422
    elif form_drafts.REVIEW in request.GET and form.is_valid():
        try:
            return _preview(request, scope, form, open_form)
        except NotAsItStands as error:
            open_form = replace(open_form, notice=error.sentence)
            status = 409
    return _page(request, scope, form, open_form, draft=draft, status=status)


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
    return WriteBackForm(
        data, scope=scope, book=book, now=timezone.now(), tasks=tasks.known(scope=scope)
    )


def _draft(
    request: ReaderRequest, scope: Scope, open_form: OpenForm
) -> tuple[Draft, Problem | None, int]:
    """What is known of the result, why it is not known, and the status. Of a form into which
    something was typed only what it offers is looked up."""
    typed = open_form.data
    datum = request.GET.get("datum", "")
    if datum:
        number = int(datum) if datum.isdecimal() and len(datum) <= _LONGEST_NUMBER else 0
        found = drafts.of_datum(scope=scope, pk=number)
        if found is None and typed is None:
            raise Http404
        return found or Draft(), None, 200
    reservation = request.GET.get("reservation", "")
    if typed is not None:
        reservation = typed.get("reservation", "")[:LONGEST_UNIQUE_ID]
    if not reservation:
        return Draft(sources=_sources(scope, typed)), None, 200
    try:
        found = drafts.of_reservation(scope=scope, appoint_id=reservation)
    except ISalesError as error:
        problem = problems.describe(error)
        kept = reservation if typed is not None else ""
        return Draft(appoint_id=kept, sources=_sources(scope, typed)), problem, problem.status
    if found is None and typed is None:
        raise Http404
    return found or Draft(appoint_id=reservation, sources=_sources(scope, typed)), None, 200


def _sources(scope: Scope, typed: QueryDict | None) -> tuple[Source, ...]:
    key = typed.get("number_of", "")[:LONGEST_SOURCE] if typed is not None else ""
    return drafts.sources(scope=scope, key=key)


def _page(
    request: ReaderRequest,
    scope: Scope,
    form: WriteBackForm,
    open_form: OpenForm,
    *,
    draft: Draft,
    problem: Problem | None = None,
    status: int = 200,
) -> HttpResponse:
    # A time of which it is open which one is meant cannot be told in another zone.
    zone = form.zone() if form.asks_which() else timezone.get_current_timezone()
    with timezone.override(zone):
        groups = fields.groups(
            form,
            draft,
            book=form.book,
            language=get_language() or "en",
            names=tasks.known(scope=scope),
            judged=open_form.judged,
        )
    views = [view for group in groups for view in (*group.fields, *group.rare)]
    typed = open_form.data
    context = {
        "vdn_id": scope.vdn.pk,
        "form": open_form,
        "groups": groups,
        "bad": sum(bool(view.errors) for view in views),
        "reservation": draft.appoint_id,
        "back": typed.get("back", "") if typed is not None else form_drafts.came_from(request),
        "problem": problem,
        "zone": str(zone),
        "zone_text": Moments(timezone.now(), zone).zone_text,
    }
    return private(render(request, "write_backs/form.html", context, status=status))


def _preview(
    request: ReaderRequest, scope: Scope, form: WriteBackForm, open_form: OpenForm
) -> HttpResponse:
    result = form.result()
    body = write_backs.preview(scope=scope, result=result, number_of=form.cleaned_data["number_of"])
    earlier = outbox.states_of(scope=scope, unique_id=result.unique_id)
    typed = open_form.data or QueryDict()
    context = {
        "vdn_id": scope.vdn.pk,
        "form": open_form,
        "facts": words.facts(body, scope.vdn, reading(scope), tasks.known(scope=scope)),
        "json": words.as_json(body),
        "given": [
            *fields.given(form),
            *((name, typed.get(name, "")) for name in ("zone", "back")),
        ],
        "contradicts": form.contradicts(),
        "twofold": any(is_twofold(form.cleaned_data[name], scope.vdn) for name in TIMES),
        "waiting": earlier.count(WriteBackState.WAITING),
        "delivered": WriteBackState.DELIVERED in earlier,
        "zone_text": Moments(timezone.now()).zone_text,
    }
    return private(render(request, "write_backs/preview.html", context))
