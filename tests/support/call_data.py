"""Call data in tests: a row of the vendor, requests, and batches of dead processes."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from isales_proxy import access
from isales_proxy.access import Scope
from isales_proxy.models import CallDataBatch, Vdn
from isales_proxy.outbound import call_data
from isales_proxy.outbound.call_data import CallDataRequestResult
from isales_proxy.simulator import READ_CALL_DATA, Simulator

TASK = "1251250797"
NUMBER = "6591234567"
UNIQUE_ID = "21713676089219765504"
ROW: dict[str, object] = {
    "version": "311",
    "seviceId": TASK,
    "uniqueId": UNIQUE_ID,
    "phoneNumber": [f"+{NUMBER}", "0012345"],
    "callData": "Ann Unlikely-Name, prefers the morning",
    "callerNumber": "710002",
    "ieData": "RedInfo:RedInd=1,OldRes=1;callerno:callernumber=710002",
}
ANSWER = json.dumps({"result": 0, "resultData": {"taskData": [ROW]}}).encode()
LATER = timedelta(minutes=10)
_keys = itertools.count()


def scope_of(people: dict[str, Any], role: str = "supervisor", vdn_id: int = 88) -> Scope:
    """The scope of the person with that role."""
    return access.enter(user=people[role], vdn_id=vdn_id)


def take(scope: Scope, *, count: int = 5, key: str = "", task: str = TASK) -> CallDataRequestResult:
    """Request call data, with a new key unless one is given."""
    return call_data.request_call_data(
        scope=scope,
        service_id=task,
        batch_count=count,
        key=key or f"key-{next(_keys)}",
        reason="a test",
    )


def count_requests(vendor: Simulator) -> int:
    """Count the requests for call data."""
    return sum(call.operation == READ_CALL_DATA for call in vendor.calls)


def left_behind(
    *, state: str = "asked", key: str = "a" * 64, age: timedelta = LATER, **more: Any
) -> CallDataBatch:
    """A batch whose process died."""
    Vdn.objects.get_or_create(pk=88, defaults={"name": "Support"})
    return CallDataBatch.objects.create(
        vdn_id=88,
        service_id=TASK,
        batch_count=5,
        key=key,
        state=state,
        asked_at=timezone.now() - age,
        asked_by_name="supervisor",
        **more,
    )


def answered(body: bytes, *, status: int = 200, complete: bool = True) -> dict[str, Any]:
    return {
        "raw": body,
        "http_status": status,
        "raw_complete": complete,
        "answered_at": timezone.now() - LATER,
    }
