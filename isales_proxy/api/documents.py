"""What the schema says of the endpoints beside their shapes: parameters, problems, examples."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from isales_proxy.api.errors import MEDIA_TYPE
from isales_proxy.api.idempotency import HEADER, PATTERN, REPLAYED
from isales_proxy.api.schema import REQUEST_ID
from isales_proxy.api.serializers import ProblemFields, ReservationPageFields, VdnListFields
from isales_proxy.client.queries import MAX_AGENTS, MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.core.form_fields import DEFAULT_SIZE, LONGEST_NUMBER
from isales_proxy.privacy.phone_numbers import FEWEST_DIGITS


def replayed(status: int) -> OpenApiParameter:
    """The header of an answer to a repeated request."""
    return OpenApiParameter(
        REPLAYED,
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        description="This was done before; the answer is how it stands by now.",
        response=[status],
    )


def problem_example(status: int, slug: str, title: str, detail: str, **more: Any) -> OpenApiExample:
    return OpenApiExample(
        slug or title,
        status_codes=[str(status)],
        response_only=True,
        media_type=MEDIA_TYPE,
        value={
            "type": f"urn:callboard:problem:{slug}" if slug else "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "request_id": REQUEST_ID,
            **more,
        },
    )


def problems(**words: str) -> dict[Any, OpenApiResponse]:
    """`s404="…"` → the documented problem answer of that status."""
    return {
        (int(name[1:]), MEDIA_TYPE): OpenApiResponse(ProblemFields, description=text)
        for name, text in words.items()
    }


STRANGER: Final = problems(
    s401="Nobody is logged in.", s429="Too many requests; see `Retry-After`."
)
FOREIGN: Final = problems(s404="No such VDN, or none of yours.")
VENDOR: Final = problems(
    s502="CC-iSales refuses the question or our keys, or answers nonsense.",
    s503="CC-iSales cannot be reached or is busy; see `Retry-After`.",
    s504="CC-iSales is too slow.",
)
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": f"^{PATTERN}$"},
    OpenApiParameter.HEADER,
    description="Your own name for this request: sent twice with the same key it is done once. "
    "It is yours alone, in this VDN.",
    examples=[OpenApiExample("a UUID", value="0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e")],
)
RETRY_AFTER: Final = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, description="Seconds.", response=[429, 503]
)
AWAY: Final = problem_example(
    503,
    "upstream-unavailable",
    "CC-iSales cannot be reached",
    "The call centre's system does not answer, or answers with a fault.",
    problem="upstream-unavailable",
    next_step="Nothing is lost. Try again in a moment; if it lasts, tell your administrator.",
    vendor_request="0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
    retry_after=5,
    as_of="2025-05-31T06:30:00Z",
)


def text(name: str, words: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.QUERY, description=words
    )


def number(name: str, words: str, *, default: int, most: int) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=words)


WHOLE: Final = [
    number("page", "From 1.", default=1, most=MAX_PAGE),
    number("size", "Rows a page.", default=MAX_PAGE_SIZE, most=MAX_PAGE_SIZE),
]
# One line: no control characters.
LINE: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_MOMENT: Final = (
    r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?)?$"
)
_ACCOUNT: Final = r"^[^\u0000-\u001f\u007f-\u009f<>\"'&\\]*$"
_FILTERS: Final = [
    text(
        "called_no",
        f"Called number, whole or in part; at most {LONGEST_NUMBER} digits. Who may not see "
        f"numbers gives a whole one, of at least {FEWEST_DIGITS} digits, and finds no other.",
        pattern=f"^[+]?[0-9*# ().-]{{0,{LONGEST_NUMBER - 1}}}$",
    ),
    OpenApiParameter(
        "agent",
        {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_TEXT, "pattern": _ACCOUNT},
            "maxItems": MAX_AGENTS,
        },
        OpenApiParameter.QUERY,
        explode=True,
        style="form",
        description="Agent account, or a name or a part of one that is one agent's alone; "
        "repeatable. Ignored for agents, who have their own rows only.",
    ),
    text(
        "begin",
        "Due from, in your time zone, which is that of the VDN until you choose another.",
        pattern=_MOMENT,
        examples=["2025-05-31T14:30"],
    ),
    text("end", "Due to, likewise.", pattern=_MOMENT, examples=["2025-05-31T18:00"]),
    text(
        "task",
        "ID of the outbound task, or a name or a part of one that is one task's alone.",
        maxLength=MAX_TEXT,
        pattern=LINE,
    ),
    number("page", "From 1.", default=1, most=MAX_PAGE),
    number(
        "size",
        "Rows a page. More than the server allows is cut down; the answer says to what.",
        default=DEFAULT_SIZE,
        most=MAX_PAGE_SIZE,
    ),
]
_ROW: Final = {
    "appoint_id": "1747274521372180001",
    "call_type": "2",
    "appoint_time": "2025-05-31T06:35:00Z",
    "called_no": "15800000001",
    "task_id": "2072160523",
    "task_name": "Renewal",
    "task_status": "4",
    "timeout": False,
    "user_account": "116",
    "user_name": "Chen Jie",
    "begin_time": None,
    "end_time": None,
    "call_flag": None,
    "caller_no": None,
    "fail_code": None,
    "result": None,
    "busi_result": None,
    "create_time": "2025-05-15T02:02:01.372000Z",
    "fail_code_text": "",
    "state": "soon",
}

vdns: Final = extend_schema(
    operation_id="vdns",
    summary="The VDNs that you may enter",
    parameters=WHOLE,
    responses={200: VdnListFields, **STRANGER},
)

reservations: Final = extend_schema(
    operation_id="reservations",
    summary="Reserved calls of a VDN",
    description=(
        "The question of the reservations page in JSON. Times are ISO 8601 in UTC. Where a page "
        "would show an older answer because CC-iSales is away, this answers the problem, with the "
        "older answer's time in `as_of`."
    ),
    parameters=[*_FILTERS, RETRY_AFTER],
    responses={
        200: ReservationPageFields,
        **STRANGER,
        **FOREIGN,
        **problems(s422="A parameter is out of bounds; CC-iSales was not asked."),
        **VENDOR,
    },
    examples=[
        OpenApiExample(
            "one row",
            response_only=True,
            status_codes=["200"],
            value={
                "count": 1,
                "page": 1,
                "size": DEFAULT_SIZE,
                "as_of": "2025-05-31T06:30:00Z",
                "source": "live",
                "complete": True,
                "results": [_ROW],
            },
        ),
        problem_example(
            422,
            "invalid",
            "A filter value is not allowed",
            "end: The end lies before the beginning.",
            errors={"end": ["“To” is earlier than “From”."]},
        ),
        AWAY,
    ],
)
