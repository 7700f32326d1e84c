"""`/api/v1/…/tasks/` and `…/call-data/`: tasks and call data in JSON."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access, problems
from isales_proxy.access import Permission, Scope
from isales_proxy.api import idempotency
from isales_proxy.api import outbound_documents as documents
from isales_proxy.api.errors import (
    CallDataNotReceived,
    InvalidRequest,
    OnlyStaleAnswer,
    by_field,
    invalid_value,
    json_object,
    no_such_fields,
    problem,
)
from isales_proxy.api.outbound_serializers import CallDataRequestFields
from isales_proxy.api.permissions import READS, WRITES, Permits
from isales_proxy.api.views import PersonalView, paginate
from isales_proxy.client.errors import BadAnswer
from isales_proxy.models import BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import call_data, labels, queries, tasks
from isales_proxy.outbound.call_data import CallDataRequestResult
from isales_proxy.outbound.forms import BatchFilter

# Numbers may be gone: a program must not be invited to try again.
_PERHAPS_HANDED_OUT: Final = (BatchState.UNKNOWN, BatchState.UNREADABLE)
_CAME: Final = {BatchState.TAKEN: 201, BatchState.ASKED: 202, BatchState.LOST: 201}


class Tasks(PersonalView):
    """`vdns/<id>/tasks/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_OUTBOUND}

    @documents.tasks
    def get(self, request: Request, vdn_id: int) -> Response:
        """The tasks in the vendor's order."""
        found = tasks.list_tasks(scope=access.enter(user=request.user, vdn_id=vdn_id))
        if found.error is not None:
            raise OnlyStaleAnswer(found.error, found.as_of)
        part, place = paginate(request, found.rows)
        return Response(
            {
                "count": len(found.rows),
                **place,
                "as_of": found.as_of,
                "source": found.source,
                "results": [{"service_id": task.service_id, "name": task.name} for task in part],
            }
        )


class CallDataRequests(PersonalView):
    """`vdns/<id>/tasks/<service ID>/call-data/`"""

    needs = WRITES
    permits: ClassVar[Permits] = {"POST": Permission.TAKE_CALL_DATA}

    @documents.take
    def post(self, request: Request, vdn_id: int, service_id: str) -> Any:
        """Have call data handed out; 200 when this key had done so before."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        if not tasks.is_task_id(service_id):
            raise Http404
        wish = _wish(request.data)
        in_body = str(wish.get("key") or "")
        by_header = idempotency.key_of(request, in_body)
        try:
            taking = call_data.request_call_data(
                scope=scope,
                service_id=service_id,
                batch_count=wish["batch_count"],
                key=by_header or in_body or str(uuid.uuid4()),
                reason=wish["reason"],
            )
        except call_data.NoRoom:
            return problem(507, _("Our disk has no room for the answer. CC-iSales was not asked."))
        if taking.lost:
            return Response(
                _batch(taking.batch, tasks.get_known_tasks(scope=scope))
                | {"results": list(_rows(taking.unstored))},
                status=201,
            )
        headers = {}
        if taking.repeated:
            headers[idempotency.REPLAYED] = "true"
            if by_header and taking.differs:
                return idempotency.used_for_another()
            if by_header and taking.batch.state == BatchState.ASKED:
                return idempotency.under_way(batch=taking.batch.pk)
        status = 200 if taking.repeated else _CAME.get(BatchState(taking.batch.state))
        if status is None:
            raise _not_taken(taking)
        return Response(_with_rows(scope, taking.batch), status=status, headers=headers)


class Batches(PersonalView):
    """`vdns/<id>/call-data/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_OUTBOUND}

    @documents.batches
    def get(self, request: Request, vdn_id: int) -> Response:
        """One page of batches, the newest first."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        form = BatchFilter(request.query_params)
        if not form.is_valid():
            raise InvalidRequest(by_field(form.errors))
        asked = form.cleaned_data
        found = queries.list_batches(
            scope=scope, service_id=asked["task"], page=asked["page"], size=asked["size"]
        )
        names = tasks.get_known_tasks(scope=scope)
        return Response(
            {
                "count": found.total,
                "page": asked["page"],
                "size": asked["size"],
                "results": [_batch(each, names) for each in found.rows],
            }
        )


class Batch(PersonalView):
    """`vdns/<id>/call-data/<batch>/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_OUTBOUND}

    @documents.batch
    def get(self, request: Request, vdn_id: int, batch_id: int) -> Response:
        """One batch with all of its rows."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        return Response(_with_rows(scope, queries.get_batch(scope=scope, batch_id=batch_id)))


def _wish(data: Any) -> dict[str, Any]:
    """What to take. A misspelt field is refused: its default would take what nobody asked for."""
    given = json_object(data)
    form = CallDataRequestFields(data=given)
    if unknown := no_such_fields(given.keys() - form.fields):
        raise invalid_value(unknown)
    if not form.is_valid():
        raise invalid_value(by_field(form.errors))
    return dict(form.validated_data)


def _not_taken(taking: CallDataRequestResult) -> CallDataNotReceived:
    """The problem as elsewhere, but for what to do next."""
    found = replace(
        problems.describe(taking.error or BadAnswer()), next_step=_next_step(taking.batch)
    )
    if taking.batch.state in _PERHAPS_HANDED_OUT:
        found = replace(found, retry_after=None)
    return CallDataNotReceived(found, taking.batch.pk)


def _with_rows(scope: Scope, batch: CallDataBatch) -> dict[str, Any]:
    rows = queries.list_all_rows(scope=scope, batch_id=batch.pk)
    return _batch(batch, tasks.get_known_tasks(scope=scope)) | {"results": list(_rows(rows))}


def _batch(batch: CallDataBatch, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": batch.pk,
        "service_id": batch.service_id,
        "task_name": names.get(batch.service_id, ""),
        "state": batch.state,
        "batch_count": batch.batch_count,
        "received": batch.received,
        "asked_at": batch.asked_at,
        "asked_by": batch.asked_by_name,
        "reason": batch.reason,
        "answered_at": batch.answered_at,
        "http_status": batch.http_status,
        "complete": batch.raw_complete,
        "vendor_code": batch.vendor_code,
        "problem": batch.problem,
        "vendor_request": batch.vendor_request,
        "next_step": _next_step(batch),
        "purged_at": batch.purged_at,
    }


def _next_step(batch: CallDataBatch) -> str:
    return labels.get_advice(batch, when=_iso(batch.asked_at))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _rows(rows: Iterable[CallDatum]) -> Iterable[dict[str, Any]]:
    for row in rows:
        ie = row.ie
        yield {
            "id": row.pk,
            "position": row.position,
            "service_id": row.service_id,
            "unique_id": row.unique_id,
            "phone_numbers": row.numbers,
            "caller_number": row.caller_number,
            "call_data": row.call_data,
            "ie_data": row.ie_data,
            "ie": {
                "elements": [
                    {"name": element.name, "fields": element.fields} for element in ie.elements
                ],
                "sip_headers": ie.sip_headers,
                "rest": ie.rest,
            },
            "raw": row.raw,
        }
