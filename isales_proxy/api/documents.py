"""What the schema says of the endpoints beside their shapes: parameters, problems, examples."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from isales_proxy.api.errors import MEDIA_TYPE
from isales_proxy.api.serializers import (
    ProblemFields,
    RefreshFields,
    ReservationPageFields,
    ResultCodeListFields,
    VdnListFields,
)
from isales_proxy.client.queries import MAX_AGENTS, MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.filters import DEFAULT_SIZE, LONGEST_NUMBER

_REQUEST_ID: Final = "3f0f5a52-6a0e-4d47-9a37-6f2f1c1f7f10"


def _problem_example(
    status: int, slug: str, title: str, detail: str, **more: Any
) -> OpenApiExample:
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
            "request_id": _REQUEST_ID,
            **more,
        },
    )


def _problems(**words: str) -> dict[Any, OpenApiResponse]:
    """`s404="…"` → the documented problem answer of that status."""
    return {
        (int(name[1:]), MEDIA_TYPE): OpenApiResponse(ProblemFields, description=text)
        for name, text in words.items()
    }


_STRANGER: Final = _problems(
    s401="Nobody is logged in.", s429="Too many requests; see `Retry-After`."
)
_FOREIGN: Final = _problems(s404="No such VDN, or none of yours.")
_VENDOR: Final = _problems(
    s502="CC-iSales refuses the question or our keys, or answers nonsense.",
    s503="CC-iSales cannot be reached or is busy; see `Retry-After`.",
    s504="CC-iSales is too slow.",
)
_RETRY_AFTER: Final = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, description="Seconds.", response=[429, 503]
)
_AWAY: Final = _problem_example(
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


def _text(name: str, words: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.QUERY, description=words
    )


def _number(name: str, words: str, *, default: int, most: int) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=words)


_MOMENT: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$"
_FILTERS: Final = [
    _text("called_no", f"Called number; at most {LONGEST_NUMBER} digits."),
    OpenApiParameter(
        "agent",
        {
            "type": "array",
            "items": {"type": "string", "maxLength": MAX_TEXT},
            "maxItems": MAX_AGENTS,
        },
        OpenApiParameter.QUERY,
        explode=True,
        style="form",
        description="Agent account; repeatable. Ignored for agents, who have their own rows only.",
    ),
    _text(
        "begin",
        "Due from, in your time zone, which is that of the VDN until you choose another.",
        pattern=_MOMENT,
        examples=["2025-05-31T14:30"],
    ),
    _text("end", "Due to, likewise.", pattern=_MOMENT, examples=["2025-05-31T18:00"]),
    _text("task", "ID of the outbound task.", maxLength=MAX_TEXT),
    _number("page", "From 1.", default=1, most=MAX_PAGE),
    _number(
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
    responses={200: VdnListFields, **_STRANGER},
)

reservations: Final = extend_schema(
    operation_id="reservations",
    summary="Reserved calls of a VDN",
    description=(
        "The question of the reservations page in JSON. Times are ISO 8601 in UTC. Where a page "
        "would show an older answer because CC-iSales is away, this answers the problem, with the "
        "older answer's time in `as_of`."
    ),
    parameters=[*_FILTERS, _RETRY_AFTER],
    responses={
        200: ReservationPageFields,
        **_STRANGER,
        **_FOREIGN,
        **_problems(s422="A parameter is out of bounds; CC-iSales was not asked."),
        **_VENDOR,
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
        _problem_example(
            422,
            "invalid",
            "A filter value is not allowed",
            "end: The end lies before the beginning.",
            errors={"end": ["“To” is earlier than “From”."]},
        ),
        _AWAY,
    ],
)

result_codes: Final = extend_schema(
    operation_id="result_codes",
    summary="The OBS result codes of a VDN, in both languages",
    description="Answered from our own table, also while CC-iSales is away.",
    responses={200: ResultCodeListFields, **_STRANGER, **_FOREIGN},
)

refresh: Final = extend_schema(
    operation_id="result_codes_refresh",
    summary="Read the code table anew",
    description="For admins. A refresh that fails or stops half-way changes nothing.",
    request=None,
    parameters=[_RETRY_AFTER],
    responses={
        200: RefreshFields,
        **_STRANGER,
        **_problems(s403="You are no admin of this VDN, or the CSRF token does not fit."),
        **_FOREIGN,
        **_problems(s409="A refresh is already under way."),
        **_VENDOR,
    },
    examples=[_AWAY],
)
