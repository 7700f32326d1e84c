"""What the schema says of tasks and call data beside their shapes."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema

from isales_proxy.api.documents import (
    AWAY,
    FOREIGN,
    IDEMPOTENCY_KEY,
    LINE,
    RETRY_AFTER,
    STRANGER,
    VENDOR,
    WHOLE,
    number,
    problem_example,
    problems,
    replayed,
    text,
)
from isales_proxy.api.outbound_serializers import (
    BatchPageFields,
    BatchWithRowsFields,
    CallDataRequestFields,
    TaskListFields,
)
from isales_proxy.client.queries import MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.core.form_fields import DEFAULT_SIZE

_NO_AGENTS: Final = problems(s403="Agents see neither tasks nor call data.")

tasks: Final = extend_schema(
    operation_id="tasks",
    summary="The outbound tasks of a VDN",
    description=(
        "Where a page would show an older list because CC-iSales is away, this answers the "
        "problem, with the older list's time in `as_of`."
    ),
    parameters=[*WHOLE, RETRY_AFTER],
    responses={200: TaskListFields, **STRANGER, **_NO_AGENTS, **FOREIGN, **VENDOR},
    examples=[AWAY],
)

take: Final = extend_schema(
    operation_id="call_data_take",
    summary="Take call data of a task",
    description=(
        "CC-iSales hands each number out once: what is taken here no dialler gets any more. So "
        "`batch_count` and `confirm: true` are required; nothing is taken by default. The "
        "answer is stored before it is read, and the vendor is never asked a second time. A "
        "problem carries the number of the batch in `batch`; whether numbers may have been handed "
        "out is told by the batch's `state`, and by `next_step`."
    ),
    request=CallDataRequestFields,
    parameters=[IDEMPOTENCY_KEY, replayed(200)],
    responses={
        201: BatchWithRowsFields,
        200: BatchWithRowsFields,
        202: BatchWithRowsFields,
        **STRANGER,
        **problems(s403="Your role does not allow this, or the CSRF token does not fit."),
        **FOREIGN,
        **problems(
            s409="The first request with this `Idempotency-Key` is still under way.",
            s422="A value is out of bounds, or the `Idempotency-Key` was used for another "
            "request; CC-iSales was not asked.",
            s507="Our disk has no room for the answer; CC-iSales was not asked.",
        ),
        **VENDOR,
    },
    examples=[
        OpenApiExample(
            "ten rows",
            request_only=True,
            value={
                "batch_count": 10,
                "confirm": True,
                "reason": "Weekly check",
                "key": "0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e",
            },
        ),
        problem_example(
            504,
            "upstream-unavailable",
            "CC-iSales is too slow",
            "The call centre's system did not answer in time.",
            problem="upstream-unavailable",
            next_step="The answer never came, so up to 10 numbers may have been handed out that "
            "nobody has. Do not simply ask again: look up in CC-iSales whether task 1251250797 "
            "handed out rows at 2025-05-31T06:30:00Z.",
            vendor_request="0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
            batch=41,
        ),
    ],
)

batches: Final = extend_schema(
    operation_id="call_data_batches",
    summary="The batches of call data that were taken",
    description="From our own tables: the vendor is not asked.",
    parameters=[
        text("task", "ID of the outbound task.", maxLength=MAX_TEXT, pattern=LINE),
        number("page", "From 1.", default=1, most=MAX_PAGE),
        number("size", "Batches a page.", default=DEFAULT_SIZE, most=MAX_PAGE_SIZE),
    ],
    responses={
        200: BatchPageFields,
        **STRANGER,
        **_NO_AGENTS,
        **FOREIGN,
        **problems(s422="A parameter is out of bounds."),
    },
)

batch: Final = extend_schema(
    operation_id="call_data_batch",
    summary="One batch with its rows",
    description="From our own tables: the vendor is not asked.",
    responses={200: BatchWithRowsFields, **STRANGER, **_NO_AGENTS, **FOREIGN},
)
