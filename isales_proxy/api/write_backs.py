"""`/api/v1/vdns/<id>/write-backs/`: write-backs in JSON."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from pydantic import Field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.api import idempotency, schema
from isales_proxy.api.base import (
    PageBody,
    PersonalView,
    RequestBody,
    ResponseBody,
    TextField,
    require_nothing,
    validate,
)
from isales_proxy.api.errors import invalid_value, list_messages
from isales_proxy.api.permissions import READS_AND_WRITES, WRITES
from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.models import WriteBack, WriteBackState
from isales_proxy.privacy.field_policies import Content
from isales_proxy.problems import respond
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.write_backs import fields, queries
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.forms import (
    LONGEST_KEY,
    LONGEST_RESERVATION,
    WriteBackFilter,
    WriteBackForm,
)
from isales_proxy.write_backs.services import KeyUsed, WrongState

_LOCATION: Final = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, description="Its address.", response=[201]
)
_NO_AGENTS: Final = "Agents see no write-backs."


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
        r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]))?$",
        "examples": ["2025-05-31T14:30:00+08:00"],
    }
)
class TimeField(TextField):
    """A time with its offset; the form parses it."""


_OPTIONAL: Final[dict[str, Any]] = {"required": False, "allow_null": True, "allow_blank": True}


class WriteBackRequest(RequestBody):
    """A result to be written back. What is left out is not sent."""

    reservation = TextField(
        **_OPTIONAL,
        help_text="ID of the reservation that this is about; for our own records.",
        max_length=LONGEST_RESERVATION,
    )
    key = TextField(
        **_OPTIONAL,
        help_text="Your own name for this request: sent twice with the same key it is stored once.",
        max_length=LONGEST_KEY,
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields of a write-back, then those of this request."""
        return {each.name: _create_field(each) for each in fields.FIELDS} | super().get_fields()


def _create_field(field: fields.Field) -> serializers.Field[Any, Any, Any, Any]:
    if field.name == "device_type":
        return serializers.ChoiceField(
            required=False,
            allow_null=True,
            choices=[(int(number), number) for number in field.choices],
            help_text=field.help,
        )
    optional = {} if field.required else _OPTIONAL
    if field.content is Content.TIME:
        return TimeField(**optional, help_text=f"{field.help} ISO 8601 with its offset.")
    # A number may have blanks and dashes, which the form removes.
    longest = MAX_TEXT if field.content is Content.NUMBER else field.length
    return TextField(**optional, max_length=longest, help_text=field.help or None)


class AttemptBody(ResponseBody):
    """One attempt to deliver a write-back."""

    number: int = Field(examples=[1])
    started_at: datetime
    finished_at: datetime | None = Field(
        description="null: under way.", examples=["2025-05-31T06:30:17Z"]
    )
    worker: str = Field(examples=["host-1:4711"])
    outcome: str = Field(
        description="ok, refused, misdirected (what answers at the address set is not CC-iSales), "
        "unreachable, timed_out, throttled, credentials_refused, token_ended (there is a "
        "new one by now), bad_answer, lost (its worker stopped before an answer arrived), unfit, "
        "broken; empty: under way.",
        examples=["ok"],
    )
    maybe_sent: bool = Field(
        description="Whether the vendor may have carried it out, whatever we know of the answer.",
        examples=[True],
    )
    http_status: int | None = Field(examples=[200])
    vendor_code: str = Field(examples=["0"])
    problem: str = Field(description="The vendor's text, or ours.")
    vendor_request: str = Field(
        description="Finds the vendor call in the logs.",
        examples=["0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e"],
    )


class WriteBackBody(ResponseBody):
    """A write-back and its state."""

    id: int = Field(examples=[7])
    state: WriteBackState
    unique_id: str = Field(examples=["21713676089219765504"])
    service_id: str = Field(examples=["1251250797"])
    phone_number: str
    fail_code: str = Field(examples=["00604"])
    fail_code_text: str = Field(
        description="The result code in the language of the request; empty if unknown.",
        examples=["The call is rejected."],
    )
    reservation: str = Field(validation_alias="appoint_id")
    created_at: datetime
    created_by: str = Field(validation_alias="created_by_name", examples=["maria"])
    attempts: int = Field(examples=[1])
    next_at: datetime | None = Field(
        description="The next attempt is not before; null when none will come."
    )
    finished_at: datetime | None
    vendor_code: str
    problem: str = Field(description="Of the last attempt: the vendor's text, or ours.")
    body: dict[str, Any] = Field(
        description="The request exactly as it is sent.",
        examples=[
            {
                "subCCNo": 1,
                "vdnId": 88,
                "uniqueId": "21713676089219765504",
                "serviceId": "1251250797",
                "deviceType": 5,
                "failCode": "00604",
                "writeStartTime": "2025-05-31 06:30:00",
                "endCallTime": "2025-05-31 06:30:12",
            }
        ],
    )


class WriteBackWithJournal(WriteBackBody):
    """A write-back with its attempts."""

    journal: list[AttemptBody]


class WriteBackPage(PageBody):
    """One page of write-backs, newest first."""

    counts: dict[WriteBackState, int] = Field(
        description="How many there are in each state, under the same filter.",
        examples=[{state.value: 0 for state in WriteBackState}],
    )
    results: list[WriteBackBody]


class WriteBacks(PersonalView):
    """`vdns/<id>/write-backs/`"""

    needs = READS_AND_WRITES

    @schema.operation(
        operation_id="write_backs",
        summary="Results written back, and those waiting",
        permission=Permission.SEE_OUTBOUND,
        description="Newest first, from our own outbox: the vendor is not asked.",
        parameters=[
            schema.text_parameter("state", "Only those in this state.", enum=WriteBackState.values),
            schema.text_parameter(
                "q",
                "Part of a unique ID or called number.",
                maxLength=MAX_TEXT,
                pattern=schema.LINE,
            ),
            schema.TASK,
            *schema.page_parameters(),
        ],
        responses={200: WriteBackPage, 403: _NO_AGENTS, 422: "A parameter is out of bounds."},
    )
    def get(self, request: Request, vdn_id: int) -> Response:
        """List one page of write-backs."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        query = validate(WriteBackFilter(request.query_params)).query()
        found = queries.list_page(scope=scope, query=query)
        book = result_codes.get_book(scope.vdn)
        return WriteBackPage(
            count=found.total,
            page=query.page,
            size=query.size,
            counts=found.counts,
            results=[WriteBackBody.build(row, **_get_facts(row, book)) for row in found.rows],
        ).respond()

    @schema.operation(
        operation_id="write_back_new",
        summary="Write a result back",
        permission=Permission.WRITE_BACK,
        description="It is stored first and delivered by a job until the vendor acknowledges it, "
        "in order for each unique ID. The answer tells its state and the exact request in `body`.",
        request=WriteBackRequest,
        parameters=[_LOCATION, *schema.idempotency_parameters(201)],
        responses={
            201: WriteBackWithJournal,
            403: schema.NOT_ALLOWED,
            409: "The `key` of the body was used for another result.",
            422: "A field does not fit, or the `Idempotency-Key` was used for another "
            "result; nothing was stored.",
        },
        examples=[
            schema.request_example(
                "a rejected call",
                unique_id="21713676089219765504",
                service_id="1251250797",
                fail_code="00604",
                device_type=5,
                write_start_time="2025-05-31T14:30:00+08:00",
                end_call_time="2025-05-31T14:30:12+08:00",
                key="0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e",
            ),
            schema.problem_example(
                422,
                "A value is not allowed",
                "end_call_time: The call cannot end before it began.",
                errors={"end_call_time": ["The call cannot end before it began."]},
            ),
        ],
    )
    def post(self, request: Request, vdn_id: int) -> Any:
        """Store a result to be written back."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        book = result_codes.get_book(scope.vdn)
        given = WriteBackRequest.parse(request)
        key_in_body = given.pop("key", None) or ""
        key_in_header = idempotency.get_key(request, key_in_body)
        form = WriteBackForm(given, scope=scope, book=book, now=timezone.now(), offsets=True)
        if not form.is_valid():
            raise invalid_value(list_messages(form.errors))
        try:
            queued = write_backs.queue_once(
                scope=scope,
                result=form.result(),
                key=key_in_header or key_in_body or uuid.uuid4().hex,
                appoint_id=form.cleaned_data["reservation"],
            )
        except KeyUsed as error:
            if key_in_header:
                return idempotency.respond_key_reused()
            return respond(409, error.sentence)
        pk = queued.row.pk
        headers = {"Location": reverse("api-write-back", args=[scope.vdn.pk, pk])}
        if queued.repeated:
            headers[idempotency.REPLAYED] = "true"
        return _build_detail(scope, pk).respond(status=201, headers=headers)


class WriteBackDetail(PersonalView):
    """`vdns/<id>/write-backs/<pk>/`"""

    @schema.operation(
        operation_id="write_back",
        summary="One write-back with its journal",
        permission=Permission.SEE_OUTBOUND,
        responses={200: WriteBackWithJournal, 403: _NO_AGENTS},
    )
    def get(self, request: Request, vdn_id: int, pk: int) -> Response:
        """Show one write-back with its journal."""
        return _build_detail(access.enter(user=request.user, vdn_id=vdn_id), pk).respond()


_CHANGED: Final = {
    200: WriteBackWithJournal,
    403: schema.NOT_ALLOWED,
    409: "Its state does not allow this; `detail` says why.",
}


class _ChangeView(PersonalView):
    """A change of one write-back by a person."""

    needs = WRITES

    def change(
        self, request: Request, vdn_id: int, pk: int, service: Callable[..., WriteBack]
    ) -> Any:
        """Call the service and return the changed write-back."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        require_nothing(request)
        try:
            service(scope=scope, pk=pk)
        except WrongState as error:
            return respond(409, error.sentence)
        return _build_detail(scope, pk).respond()


class WriteBackRetry(_ChangeView):
    """`vdns/<id>/write-backs/<pk>/retry/`"""

    @schema.operation(
        operation_id="write_back_retry",
        summary="Try one again",
        permission=Permission.WRITE_BACK,
        description="For what was refused, given up or cancelled, unless a newer result of the "
        "same unique ID has been delivered.",
        request=None,
        responses=_CHANGED,
    )
    def post(self, request: Request, vdn_id: int, pk: int) -> Any:
        """Queue the write-back again."""
        return self.change(request, vdn_id, pk, write_backs.retry)


class WriteBackCancel(_ChangeView):
    """`vdns/<id>/write-backs/<pk>/cancel/`"""

    @schema.operation(
        operation_id="write_back_cancel",
        summary="Cancel one",
        permission=Permission.WRITE_BACK,
        description="For what still waits and is not being sent at the moment.",
        request=None,
        responses=_CHANGED,
    )
    def post(self, request: Request, vdn_id: int, pk: int) -> Any:
        """Cancel a waiting write-back."""
        return self.change(request, vdn_id, pk, write_backs.cancel)


def _build_detail(scope: Scope, pk: int) -> WriteBackWithJournal:
    found = queries.get(scope=scope, pk=pk)
    facts = _get_facts(found.row, result_codes.get_book(scope.vdn))
    return WriteBackWithJournal.build(found.row, **facts, journal=found.journal)


def _get_facts(row: WriteBack, book: CodeBook) -> dict[str, Any]:
    meaning = book.get(row.fail_code)
    return {
        "fail_code_text": meaning.text(get_language() or "en") if meaning else "",
        "next_at": None if row.finished_at else row.next_at,
    }
