"""`/api/v1/vdns/<id>/tasks/` and `…/call-data/`: outbound tasks and call data in JSON."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from pydantic import Field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access, problems
from isales_proxy.access import Permission, Scope
from isales_proxy.api import idempotency, schema
from isales_proxy.api.base import (
    PageBody,
    PersonalView,
    RequestBody,
    ResponseBody,
    paginate,
    validate,
)
from isales_proxy.api.permissions import WRITES
from isales_proxy.client.errors import BadAnswer
from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import call_data, labels, queries, tasks
from isales_proxy.outbound.call_data import CallDataRequestResult
from isales_proxy.outbound.forms import BatchFilter

_LONGEST_REASON: Final = 300
# Numbers may be used up, so there is no `Retry-After`.
_PERHAPS_HANDED_OUT: Final = (BatchState.UNKNOWN, BatchState.UNREADABLE)
_STATUSES: Final = {BatchState.TAKEN: 201, BatchState.ASKED: 202, BatchState.LOST: 201}
_NO_AGENTS: Final = "Agents see neither tasks nor call data."


class TaskBody(ResponseBody):
    """One outbound task."""

    service_id: str = Field(description="The vendor's ID of the task.", examples=["1251250797"])
    name: str = Field(
        description="Learnt from reservations; empty while none told it.", examples=["Renewal"]
    )


class TaskPage(PageBody):
    """One page of the tasks of a VDN and where the list comes from."""

    as_of: datetime = Field(description="When the vendor gave this list.")
    source: Literal["live", "cache"] = Field(
        description="Asked just now, or answered a moment ago."
    )
    results: list[TaskBody]


@extend_schema_field({"type": "boolean", "enum": [True]})
class ConfirmField(serializers.Field[bool, Any, bool, Any]):
    """The JSON value `true`; similar values are refused."""

    def to_internal_value(self, data: Any) -> bool:
        """Return True. Raises ValidationError for other values."""
        if data is not True:
            raise serializers.ValidationError(_("Send true."))
        return True


class CallDataRequest(RequestBody):
    """Number of rows of call data to take, and the reason."""

    batch_count = serializers.IntegerField(
        min_value=1, max_value=MAX_BATCH, help_text="Rows at most."
    )
    confirm = ConfirmField(help_text="true: you know that this uses the numbers up.")
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=_LONGEST_REASON, help_text="For the audit."
    )
    key = serializers.UUIDField(
        required=False,
        help_text="Your own name for this request: sent twice with the same key it takes once.",
    )


class IeElementBody(ResponseBody):
    """One information element; a field is a name and its value."""

    name: str = Field(examples=["RedInfo"])
    fields: list[list[str]] = Field(examples=[[["RedInd", "1"]]])


class IeBody(ResponseBody):
    """`ie_data` in its parts."""

    elements: list[IeElementBody]
    sip_headers: list[list[str]] = Field(examples=[[]])
    rest: str = Field(description="What has no known form.")


class CallDatumBody(ResponseBody):
    """One row of call data; each text may be empty."""

    id: int | None = Field(description="null: it could not be stored.", examples=[512])
    position: int = Field(description="From 1, in the vendor's order.", examples=[1])
    service_id: str = Field(examples=["1251250797"])
    unique_id: str = Field(examples=["21713676089219765504"])
    phone_numbers: list[str] = Field(validation_alias="numbers", examples=[["15800000001"]])
    caller_number: str = Field(examples=["4000000000"])
    call_data: str
    ie_data: str
    ie: IeBody
    raw: dict[str, Any] = Field(
        description="The row in the vendor's spelling.",
        examples=[{"uniqueId": "21713676089219765504", "phoneNum": ["15800000001"]}],
    )


class BatchBody(ResponseBody):
    """One request for call data and its outcome."""

    id: int = Field(examples=[41])
    service_id: str = Field(examples=["1251250797"])
    task_name: str = Field(examples=["Renewal"])
    state: BatchState = Field(
        description="asked: under way; taken; unreadable: an answer came and is kept; "
        "refused: none was handed out; unknown: the answer never came; lost: it came and could not "
        "be stored, its rows are in the answer to the request that took them and nowhere else.",
        examples=["taken"],
    )
    batch_count: int = Field(description="Rows asked for.", examples=[10])
    received: int = Field(description="Rows that came.", examples=[1])
    asked_at: datetime
    asked_by: str = Field(validation_alias="asked_by_name", examples=["maria"])
    reason: str = Field(examples=["Weekly check"])
    answered_at: datetime | None = Field(examples=["2025-05-31T06:30:01Z"])
    http_status: int | None = Field(examples=[200])
    complete: bool = Field(
        validation_alias="raw_complete",
        description="false: the answer was cut short.",
        examples=[True],
    )
    vendor_code: str = Field(examples=["0"])
    problem: str = Field(description="The vendor's text, or ours.")
    vendor_request: str = Field(
        description="Finds the vendor call in the logs.",
        examples=["0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e"],
    )
    next_step: str = Field(description="Advice for people; empty if none.")
    purged_at: datetime | None = Field(description="When its rows were deleted after their time.")


class BatchPage(PageBody):
    """One page of batches, newest first."""

    results: list[BatchBody]


class BatchWithRows(BatchBody):
    """A batch with all of its rows."""

    results: list[CallDatumBody]


class Tasks(PersonalView):
    """`vdns/<id>/tasks/`"""

    @schema.operation(
        operation_id="tasks",
        summary="The outbound tasks of a VDN",
        permission=Permission.SEE_OUTBOUND,
        description="Where a page would show an older list because CC-iSales is away, this answers "
        "the problem, with the older list's time in `as_of`.",
        parameters=schema.WHOLE_LIST,
        responses={200: TaskPage, 403: _NO_AGENTS, **schema.VENDOR_FAILS},
        examples=[schema.UNAVAILABLE_EXAMPLE],
    )
    def get(self, request: Request, vdn_id: int) -> HttpResponseBase:
        """List the tasks in the vendor's order."""
        found = tasks.list_tasks(scope=access.enter(user=request.user, vdn_id=vdn_id))
        if found.error is not None:
            # Pages show the older list; API clients get the problem.
            return problems.respond_with(problems.describe(found.error), as_of=found.as_of)
        page = paginate(request, found.rows)
        return TaskPage(**page, as_of=found.as_of, source=found.source).respond()


class CallDataRequests(PersonalView):
    """`vdns/<id>/tasks/<service ID>/call-data/`"""

    needs = WRITES

    @schema.operation(
        operation_id="call_data_take",
        summary="Take call data of a task",
        permission=Permission.TAKE_CALL_DATA,
        description="CC-iSales hands each number out once: what is taken here no dialler gets any "
        "more. So `batch_count` and `confirm: true` are required; nothing is taken by default. The "
        "answer is stored before it is read, and the vendor is never asked a second time. A "
        "problem carries the number of the batch in `batch`; whether numbers may have been "
        "handed out is told by the batch's `state`, and by `next_step`.",
        request=CallDataRequest,
        parameters=schema.idempotency_parameters(200),
        responses={
            201: BatchWithRows,
            200: BatchWithRows,
            202: BatchWithRows,
            403: schema.NOT_ALLOWED,
            409: "The first request with this `Idempotency-Key` is still under way.",
            422: "A value is out of bounds, or the `Idempotency-Key` was used for another "
            "request; CC-iSales was not asked.",
            507: "Our disk has no room for the answer; CC-iSales was not asked.",
            **schema.VENDOR_FAILS,
        },
        examples=[
            schema.request_example(
                "ten rows",
                batch_count=10,
                confirm=True,
                reason="Weekly check",
                key="0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e",
            ),
            schema.problem_example(
                504,
                "CC-iSales did not answer in time",
                "No answer arrived within the time allowed.",
                problem="upstream-unavailable",
                next_step="No answer arrived. Up to 10 numbers may have been released and lost. "
                "Before you try again, check in CC-iSales whether task 1251250797 released numbers "
                "at 2025-05-31T06:30:00Z.",
                vendor_request="0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
                batch=41,
            ),
        ],
    )
    def post(self, request: Request, vdn_id: int, service_id: str) -> Any:
        """Take call data; 200 when this key had done so before."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        if not tasks.is_task_id(service_id):
            raise Http404
        given = CallDataRequest.parse(request)
        key_in_body = str(given.get("key") or "")
        key_in_header = idempotency.get_key(request, key_in_body)
        try:
            result = call_data.request_call_data(
                scope=scope,
                service_id=service_id,
                batch_count=given["batch_count"],
                key=key_in_header or key_in_body or str(uuid.uuid4()),
                reason=given["reason"],
            )
        except call_data.NoDiskSpace:
            return problems.respond(
                507, _("There is no disk space for the answer. CC-iSales was not contacted.")
            )
        if result.lost:
            return _build_batch_with_rows(scope, result.batch, result.unstored).respond(status=201)
        headers = {}
        if result.repeated:
            headers[idempotency.REPLAYED] = "true"
            if key_in_header and result.differs:
                return idempotency.respond_key_reused()
            if key_in_header and result.batch.state == BatchState.ASKED:
                return idempotency.respond_under_way(batch=result.batch.pk)
        status = 200 if result.repeated else _STATUSES.get(BatchState(result.batch.state))
        if status is None:
            return _respond_not_received(result)
        rows = queries.list_all_rows(scope=scope, batch_id=result.batch.pk)
        found = _build_batch_with_rows(scope, result.batch, rows)
        return found.respond(status=status, headers=headers)


class Batches(PersonalView):
    """`vdns/<id>/call-data/`"""

    @schema.operation(
        operation_id="call_data_batches",
        summary="The batches of call data that were taken",
        permission=Permission.SEE_OUTBOUND,
        description="From our own tables: the vendor is not asked.",
        parameters=[schema.TASK, *schema.page_parameters("Batches a page.")],
        responses={200: BatchPage, 403: _NO_AGENTS, 422: "A parameter is out of bounds."},
    )
    def get(self, request: Request, vdn_id: int) -> Response:
        """List one page of batches, newest first."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        query = validate(BatchFilter(request.query_params)).cleaned_data
        rows, total = queries.list_batches(
            scope=scope, service_id=query["task"], page=query["page"], size=query["size"]
        )
        names = tasks.get_known_tasks(scope=scope)
        return BatchPage(
            count=total,
            page=query["page"],
            size=query["size"],
            results=[BatchBody.build(batch, **_get_texts(batch, names)) for batch in rows],
        ).respond()


class Batch(PersonalView):
    """`vdns/<id>/call-data/<batch>/`"""

    @schema.operation(
        operation_id="call_data_batch",
        summary="One batch with its rows",
        permission=Permission.SEE_OUTBOUND,
        description="From our own tables: the vendor is not asked.",
        responses={200: BatchWithRows, 403: _NO_AGENTS},
    )
    def get(self, request: Request, vdn_id: int, batch_id: int) -> Response:
        """Show one batch with all of its rows."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        batch = queries.get_batch(scope=scope, batch_id=batch_id)
        rows = queries.list_all_rows(scope=scope, batch_id=batch.pk)
        return _build_batch_with_rows(scope, batch, rows).respond()


def _respond_not_received(result: CallDataRequestResult) -> HttpResponse:
    """Build the problem of call data that did not arrive, with the advice for its batch."""
    problem = replace(
        problems.describe(result.error or BadAnswer()), next_step=_get_next_step(result.batch)
    )
    if result.batch.state in _PERHAPS_HANDED_OUT:
        problem = replace(problem, retry_after=None)
    return problems.respond_with(problem, batch=result.batch.pk)


def _build_batch_with_rows(
    scope: Scope, batch: CallDataBatch, rows: Iterable[CallDatum]
) -> BatchWithRows:
    texts = _get_texts(batch, tasks.get_known_tasks(scope=scope))
    return BatchWithRows.build(batch, **texts, results=list(rows))


def _get_texts(batch: CallDataBatch, names: Mapping[str, str]) -> dict[str, str]:
    return {
        "task_name": names.get(batch.service_id, ""),
        "next_step": _get_next_step(batch),
    }


def _get_next_step(batch: CallDataBatch) -> str:
    asked_at = batch.asked_at.astimezone(UTC).isoformat(timespec="seconds")
    return labels.get_advice(batch, when=asked_at.replace("+00:00", "Z"))
