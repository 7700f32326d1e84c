"""What the schema says of the write-backs beside their shapes."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from isales_proxy.api.documents import (
    FOREIGN,
    IDEMPOTENCY_KEY,
    LINE,
    STRANGER,
    number,
    problem_example,
    problems,
    replayed,
    text,
)
from isales_proxy.api.write_back_serializers import (
    WriteBackDetailFields,
    WriteBackPageFields,
    WriteBackRequestFields,
)
from isales_proxy.client.queries import MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.models import WriteBackState

_ALLOWED: Final = problems(s403="Your role does not allow this, or the CSRF token does not fit.")
_WISH: Final = OpenApiExample(
    "a rejected call",
    request_only=True,
    value={
        "unique_id": "21713676089219765504",
        "service_id": "1251250797",
        "fail_code": "00604",
        "device_type": 5,
        "write_start_time": "2025-05-31T14:30:00+08:00",
        "end_call_time": "2025-05-31T14:30:12+08:00",
        "key": "0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e",
    },
)
_LOCATION: Final = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, description="Its address.", response=[201]
)

page: Final = extend_schema(
    operation_id="write_backs",
    summary="Results written back, and those waiting",
    description="Newest first, from our own outbox: the vendor is not asked.",
    parameters=[
        text("state", "Only those in this state.", enum=[state.value for state in WriteBackState]),
        text("q", "Part of a unique ID or called number.", maxLength=MAX_TEXT, pattern=LINE),
        text("task", "ID of the outbound task.", maxLength=MAX_TEXT, pattern=LINE),
        number("page", "From 1.", default=1, most=MAX_PAGE),
        number("size", "Rows a page.", default=DEFAULT_SIZE, most=MAX_PAGE_SIZE),
    ],
    responses={
        200: WriteBackPageFields,
        **STRANGER,
        **problems(s403="Agents see no write-backs."),
        **FOREIGN,
        **problems(s422="A parameter is out of bounds."),
    },
)

write: Final = extend_schema(
    operation_id="write_back_new",
    summary="Write a result back",
    description=(
        "It is stored first and delivered by a job until the vendor acknowledges it, in order for "
        "each unique ID. The answer tells its state and the exact request in `body`."
    ),
    request=WriteBackRequestFields,
    parameters=[_LOCATION, IDEMPOTENCY_KEY, replayed(201)],
    responses={
        201: WriteBackDetailFields,
        **STRANGER,
        **_ALLOWED,
        **FOREIGN,
        **problems(
            s409="The `key` of the body was used for another result.",
            s422="A field does not fit, or the `Idempotency-Key` was used for another result; "
            "nothing was stored.",
        ),
    },
    examples=[
        _WISH,
        problem_example(
            422,
            "invalid",
            "A value is not allowed",
            "end_call_time: The call cannot end before it began.",
            errors={"end_call_time": ["The call cannot end before it began."]},
        ),
    ],
)

one: Final = extend_schema(
    operation_id="write_back",
    summary="One write-back with its journal",
    responses={
        200: WriteBackDetailFields,
        **STRANGER,
        **problems(s403="Agents see no write-backs."),
        **FOREIGN,
    },
)


_DONE: Final = {
    200: WriteBackDetailFields,
    **STRANGER,
    **_ALLOWED,
    **FOREIGN,
    **problems(s409="It does not stand so that this could be done; `detail` says why."),
}

retry: Final = extend_schema(
    operation_id="write_back_retry",
    summary="Try one again",
    description="For what was refused, given up or cancelled, unless a newer result of the same "
    "unique ID has been delivered.",
    request=None,
    responses=_DONE,
)

cancel: Final = extend_schema(
    operation_id="write_back_cancel",
    summary="Cancel one",
    description="For what still waits and is not being sent at the moment.",
    request=None,
    responses=_DONE,
)
