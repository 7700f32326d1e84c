"""`/api/v1/…/write-backs/`: the outbox in JSON."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.api import idempotency
from isales_proxy.api import write_back_documents as documents
from isales_proxy.api.errors import (
    InvalidRequest,
    by_field,
    invalid_value,
    json_object,
    no_such_fields,
    problem,
    require_nothing,
)
from isales_proxy.api.permissions import READS, READS_AND_WRITES, WRITES, Permits
from isales_proxy.api.views import PersonalView
from isales_proxy.models import WriteBack, WriteBackAttempt
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.write_backs import queries
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.fields import BY_NAME
from isales_proxy.write_backs.forms import LONGEST_KEY, WriteBackFilter, WriteBackForm
from isales_proxy.write_backs.services import KeyUsed, NoSuchWriteBack, WrongState

_KNOWN = {*BY_NAME, "reservation", "key"}


class WriteBacks(PersonalView):
    """`vdns/<id>/write-backs/`"""

    needs = READS_AND_WRITES
    permits: ClassVar[Permits] = {"GET": Permission.SEE_OUTBOUND, "POST": Permission.WRITE_BACK}

    @documents.page
    def get(self, request: Request, vdn_id: int) -> Response:
        """One page of the outbox."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        form = WriteBackFilter(request.query_params)
        if not form.is_valid():
            raise InvalidRequest(by_field(form.errors))
        query = form.query()
        found = queries.list_page(scope=scope, query=query)
        book = result_codes.get_book(scope.vdn)
        return Response(
            {
                "count": found.total,
                "page": query.page,
                "size": query.size,
                "counts": found.counts,
                "results": [_fields(entry.row, book) for entry in found.entries],
            }
        )

    @documents.write
    def post(self, request: Request, vdn_id: int) -> Any:
        """Store a result to be written back."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        book = result_codes.get_book(scope.vdn)
        given = _given(request.data)
        in_body = given.pop("key", "")
        by_header = idempotency.key_of(request, in_body)
        form = WriteBackForm(given, scope=scope, book=book, now=timezone.now(), offsets=True)
        if not form.is_valid():
            raise invalid_value(by_field(form.errors))
        try:
            queued = write_backs.queue_once(
                scope=scope,
                result=form.result(),
                key=by_header or in_body or uuid.uuid4().hex,
                appoint_id=form.cleaned_data["reservation"],
            )
        except KeyUsed as error:
            return idempotency.used_for_another() if by_header else problem(409, error.sentence)
        pk = queued.row.pk
        headers = {"Location": reverse("api-write-back", args=[scope.vdn.pk, pk])}
        if queued.repeated:
            headers[idempotency.REPLAYED] = "true"
        return Response(_story(scope, pk), status=201, headers=headers)


class OneWriteBack(PersonalView):
    """`vdns/<id>/write-backs/<pk>/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_OUTBOUND}

    @documents.one
    def get(self, request: Request, vdn_id: int, pk: int) -> Response:
        """One write-back with its journal."""
        return Response(_story(access.enter(user=request.user, vdn_id=vdn_id), pk))


class _Wish(PersonalView):
    """A deed on one write-back."""

    needs = WRITES
    permits: ClassVar[Permits] = {"POST": Permission.WRITE_BACK}

    def do(self, request: Request, vdn_id: int, pk: int, deed: Callable[..., WriteBack]) -> Any:
        """Do it, and tell what has become of the write-back."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        scope.require(Permission.WRITE_BACK)
        require_nothing(request)
        try:
            deed(scope=scope, pk=pk)
        except NoSuchWriteBack:
            raise Http404 from None
        except WrongState as error:
            return problem(409, error.sentence)
        return Response(_story(scope, pk))


class WriteBackRetry(_Wish):
    """`vdns/<id>/write-backs/<pk>/retry/`"""

    @documents.retry
    def post(self, request: Request, vdn_id: int, pk: int) -> Any:
        """Try it again."""
        return self.do(request, vdn_id, pk, write_backs.retry)


class WriteBackCancel(_Wish):
    """`vdns/<id>/write-backs/<pk>/cancel/`"""

    @documents.cancel
    def post(self, request: Request, vdn_id: int, pk: int) -> Any:
        """Send it no more."""
        return self.do(request, vdn_id, pk, write_backs.cancel)


def _given(data: Any) -> dict[str, str]:
    """The fields as a form takes them. Raises InvalidQuestion for what no form could send."""
    body = json_object(data)
    errors = no_such_fields(body.keys() - _KNOWN)
    given = {}
    for name, value in body.items():
        if name not in _KNOWN or value is None:
            continue
        if isinstance(value, str) or (
            name == "device_type" and isinstance(value, int) and not isinstance(value, bool)
        ):
            given[name] = str(value)
        else:
            errors[name] = [_("Send this as text.")]
    if len(given.get("key", "")) > LONGEST_KEY:
        errors["key"] = [_("At most %(most)s characters.") % {"most": LONGEST_KEY}]
    if errors:
        raise invalid_value(errors)
    return given


def _story(scope: Scope, pk: int) -> dict[str, Any]:
    try:
        story = queries.get(scope=scope, pk=pk)
    except NoSuchWriteBack:
        raise Http404 from None
    fields = _fields(story.entry.row, result_codes.get_book(scope.vdn))
    return fields | {"journal": [_attempt(attempt) for attempt in story.journal]}


def _fields(row: WriteBack, book: CodeBook) -> dict[str, Any]:
    meaning = book.get(row.fail_code)
    return {
        "id": row.pk,
        "state": row.state,
        "unique_id": row.unique_id,
        "service_id": row.service_id,
        "phone_number": row.phone_number,
        "fail_code": row.fail_code,
        "fail_code_text": meaning.text(get_language() or "en") if meaning else "",
        "reservation": row.appoint_id,
        "created_at": row.created_at,
        "created_by": row.created_by_name,
        "attempts": row.attempts,
        "next_at": None if row.finished_at else row.next_at,
        "finished_at": row.finished_at,
        "vendor_code": row.vendor_code,
        "problem": row.problem,
        "body": row.body,
    }


def _attempt(attempt: WriteBackAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "worker": attempt.worker,
        "outcome": attempt.outcome,
        "maybe_sent": attempt.maybe_sent,
        "http_status": attempt.http_status,
        "vendor_code": attempt.vendor_code,
        "problem": attempt.problem,
        "vendor_request": attempt.vendor_request,
    }
