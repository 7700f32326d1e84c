"""`/api/v1/vdns/<id>/reservations/`: the list of reservations in JSON."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Literal, cast

from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter
from pydantic import Field, create_model
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.api import schema
from isales_proxy.api.base import (
    PageBody,
    PersonalView,
    ResponseBody,
    hash_body,
    respond_unless_known,
    validate,
)
from isales_proxy.api.errors import InvalidRequest, list_messages
from isales_proxy.client.queries import MAX_AGENTS, MAX_PAGE, MAX_TEXT
from isales_proxy.client.records import Reservation
from isales_proxy.core.form_fields import LONGEST_NUMBER
from isales_proxy.models import CodeCategory
from isales_proxy.privacy import field_policies
from isales_proxy.privacy.field_policies import RESERVATION, RESERVATION_FIELDS, Content
from isales_proxy.privacy.phone_numbers import FEWEST_DIGITS
from isales_proxy.problems import describe, respond_with
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.coverage import Gap
from isales_proxy.reservations.forms import (
    LONGEST_CODES,
    MOST_CODES,
    NamedRange,
    ReservationFilter,
)
from isales_proxy.reservations.pages import ReservationPage as FoundPage
from isales_proxy.reservations.query import SORT_KEYS, Cursor, Source, SourceRefused, Tab
from isales_proxy.reservations.status import ReservationState, get_status
from isales_proxy.result_codes import services as result_codes

_TIME: Final = (
    r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
    r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?$"
)
_ADDRESS: Final = "https://callboard.example.org/api/v1/vdns/88/reservations/?source=mirror"
_CURSOR: Final = r"^((none|[0-9]{1,17})-[0-9]{1,18})?$"
_VALUE: Final = r"^([0-9A-Za-z_-]{1,32})?$"
_ACCOUNT: Final = r"^[^\u0000-\u001f\u007f-\u009f<>\"'&\\]*$"


_MIRROR_FILTERS: Final = [
    schema.text_parameter(
        "q",
        "Part of an agent's or a task's name or of a business result, or a whole account or task "
        "ID. This and the following filters are answered by the complete list alone.",
        maxLength=MAX_TEXT,
        pattern=schema.LINE,
    ),
    schema.text_parameter(
        "code",
        "Result codes, comma-separated or repeated, with or without their leading zeros.",
        maxLength=LONGEST_CODES,
        pattern=f"^([0-9A-Za-z_-]{{1,32}}(,[0-9A-Za-z_-]{{1,32}}){{0,{MOST_CODES - 1}}})?$",
        examples=["00604"],
    ),
    schema.text_parameter(
        "category", "Side on which the reason of the result lies.", enum=sorted(CodeCategory.values)
    ),
    schema.text_parameter(
        "type", "1: manual, 2: automatic, or another value of CC-iSales.", pattern=_VALUE
    ),
    schema.text_parameter(
        "status",
        "Task status: 1 draft, 2 running, 3 paused, 4 completed, or another value of CC-iSales.",
        pattern=_VALUE,
    ),
    schema.text_parameter(
        "state",
        "Where a call stands; without `tab` in all parts.",
        enum=sorted(ReservationState.values),
    ),
    schema.text_parameter(
        "as_of", "The list as it was known at this time, which has come already.", pattern=_TIME
    ),
    schema.text_parameter(
        "tab",
        "Part of the complete list; without it `open`, for an agent all of their own.",
        enum=sorted(Tab.values),
    ),
    schema.text_parameter(
        "sort",
        "Column, with `-` before it for descending order. Over 20,000 rows only `due` is sorted "
        "by; the answer tells the order in force.",
        enum=sorted(f"{sign}{key}" for key in SORT_KEYS for sign in ("", "-")),
    ),
    schema.text_parameter(
        "source",
        "`live`: CC-iSales, as it delivers. `mirror`: our complete list. Without it the complete "
        "list where it is complete, or alone can answer.",
        enum=sorted(Source.values),
    ),
    schema.text_parameter(
        "jump",
        "Begin at this time, in the order of the due time; without `page`.",
        pattern=_TIME,
    ),
    schema.text_parameter(
        "after",
        "The row before the page, in the order of the due time, as `next` names it.",
        pattern=_CURSOR,
    ),
    schema.text_parameter(
        "before", "The row after the page, as `previous` names it.", pattern=_CURSOR
    ),
]
_FILTERS: Final = [
    schema.text_parameter(
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
    schema.text_parameter(
        "begin",
        "Due from; without an offset in your time zone, which is that of the VDN until you choose "
        "another.",
        pattern=_TIME,
        examples=["2025-05-31T14:30", "2025-10-26T02:30+02:00"],
    ),
    schema.text_parameter("end", "Due to, likewise.", pattern=_TIME, examples=["2025-05-31T18:00"]),
    schema.text_parameter(
        "range",
        "Due in a time range that moves with the time, in your time zone. Ignored beside `begin` "
        "or `end`.",
        enum=sorted(NamedRange.values),
    ),
    schema.text_parameter(
        "task",
        "ID of the outbound task, or a name or a part of one that is one task's alone.",
        maxLength=MAX_TEXT,
        pattern=schema.LINE,
    ),
    *_MIRROR_FILTERS,
    *schema.page_parameters(
        "Rows a page. More than the server allows is cut down; the answer says to what."
    ),
]
_TYPES: Final[dict[Content, Any]] = {
    Content.FLAG: bool | None,
    Content.TIME: datetime | None,
}
_EXAMPLES: Final[dict[Content, list[Any]]] = {
    Content.ID: ["1747274521372180001"],
    Content.CODE: ["2"],
    Content.TIME: ["2025-05-31T06:35:00Z"],
    Content.FLAG: [False],
    Content.NUMBER: ["15800000001"],
    Content.TEXT: ["Renewal"],
}


def _declare(field: field_policies.Field) -> Any:
    masked = " Masked for who may not see it." if field.personal else ""
    description = f"{field.help}{masked}"
    return (
        _TYPES.get(field.holds, str | None),
        Field(description=description, examples=_EXAMPLES[field.holds]),
    )


VendorFields: Any = create_model(
    "VendorFields",
    __base__=ResponseBody,
    __doc__="The vendor's eighteen fields, each of which it may leave out.",
    **{field.name: _declare(field) for field in RESERVATION},
)


_AS_OF_HEADER: Final = OpenApiParameter(
    "X-As-Of",
    {"type": "string", "format": "date-time"},
    OpenApiParameter.HEADER,
    description="`as_of`, also of an answer without a body.",
    response=[200, 304],
)
# Parts of a page that change although its rows do not; they do not affect the `ETag`.
_PASSING: Final = frozenset({"as_of", "age", "source"})
_FIELDS: Final = tuple(RESERVATION_FIELDS)
_read_fields = itemgetter(*_FIELDS)
_TIMES: Final = tuple(field.name for field in RESERVATION if field.holds is Content.TIME)


class ReservationBody(VendorFields):
    """The vendor's eighteen fields, each of which it may leave out, and our judgement of them."""

    fail_code_text: str = Field(
        description="The result code in the language of the request; empty if unknown."
    )
    state: ReservationState = Field(
        description="Where the call stands at the moment of this answer."
    )


class ReservationPage(PageBody):
    """One page of reservations and where it comes from."""

    as_of: datetime | None = Field(
        description="When the vendor gave this answer.", examples=["2025-05-31T06:30:00Z"]
    )
    source: Literal["live", "cache", "none", "mirror"] = Field(
        description="Asked just now, answered a moment ago to the same question, never asked, or "
        "our complete list."
    )
    complete: bool = Field(
        description="false: rows of other agents had to be left out of this page, or a whole "
        "number was looked for among more rows than may be looked through; of the complete list: "
        "it is not known to be all, see `reason`.",
        examples=[True],
    )
    age: float | None = Field(
        description="Seconds since `as_of`; of the complete list since the oldest answer that the "
        "page rests on.",
        examples=[14.2],
    )
    reason: Gap | None = Field(description="Why the complete list is not complete for this.")
    revision: int | None = Field(
        description="Grows with each change of the complete list.", examples=[4711]
    )
    tab: Tab | None = Field(description="Part of the complete list.")
    sort: str = Field(description="Order in force; empty: the source's own.", examples=["due"])
    next: str | None = Field(
        description="Address of the next page of the same source; null on the last.",
        examples=[f"{_ADDRESS}&page=3"],
    )
    previous: str | None = Field(
        description="Address of the page before; null on the first.",
        examples=[f"{_ADDRESS}&page=1"],
    )
    results: list[ReservationBody]


class Reservations(PersonalView):
    """`vdns/<id>/reservations/`"""

    @schema.operation(
        operation_id="reservations",
        summary="Reserved calls of a VDN",
        permission=Permission.SEE_RESERVATIONS,
        description="The question of the reservations page in JSON. Times are ISO 8601 in UTC. "
        "Where a page would show an older answer because CC-iSales is away, this answers the "
        "problem, with the older answer's time in `as_of`.",
        parameters=[
            *_FILTERS,
            *schema.etag_parameters(
                "The same while rows, counts and completeness are; `as_of` and `age` go on."
            ),
            _AS_OF_HEADER,
        ],
        responses={
            200: ReservationPage,
            304: schema.UNCHANGED,
            422: "A parameter is out of bounds; CC-iSales was not asked.",
            **schema.VENDOR_FAILS,
        },
        examples=[
            schema.problem_example(
                422,
                "A filter value is not allowed",
                "end: “To” is earlier than “From”.",
                errors={"end": ["“To” is earlier than “From”."]},
            ),
            schema.UNAVAILABLE_EXAMPLE,
        ],
    )
    def get(self, request: Request, vdn_id: int) -> HttpResponseBase:
        """List one page of reservations, or 304 if the client has it. Raises InvalidRequest."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        now = timezone.now()
        form = _get_form(request, scope)
        query = form.query()
        try:
            chosen = reservations.choose_source(scope=scope, query=query, now=now)
        except SourceRefused as refused:
            raise _refuse(form, refused) from None
        found = reservations.list_page(scope=scope, query=query, now=now, chosen=chosen)
        if found.error is not None:
            # Pages show the older answer; API clients get the problem.
            return respond_with(describe(found.error), as_of=found.as_of)
        facts, shown_at = found.mirror, timezone.now()
        if facts is not None:
            shown_at = facts.counts.now
        page = ReservationPage.model_construct(
            count=found.total,
            page=found.query.page,
            size=found.query.size,
            as_of=found.as_of,
            source=cast("Literal['live', 'cache', 'none']", found.source),
            complete=found.complete,
            age=get_age(found.as_of, now),
            reason=found.coverage.reason if facts and found.coverage else None,
            revision=facts.counts.revision if facts else None,
            tab=facts.tab if facts else None,
            sort=facts.sort if facts else "",
            next=_get_next(request, found),
            previous=_get_previous(request, found),
            results=[],
        ).model_dump(mode="json")
        page["results"] = _build_rows(found.rows, scope, shown_at)
        kept = {name: value for name, value in page.items() if name not in _PASSING}
        answer = respond_unless_known(request, Response(page), f'W/"{hash_body(kept)}"')
        if page["as_of"] is not None:
            answer["X-As-Of"] = page["as_of"]
        return answer


def _get_next(request: Request, found: FoundPage) -> str | None:
    """Return the address of the next page.

    In the order of the due time it begins after the last row of this page, so that no row is missed
    or repeated when others are added or removed meanwhile.
    """
    number, facts = found.query.page, found.mirror
    if facts is None:
        more = number * found.query.size < found.total and number < MAX_PAGE
        return _link(request, found, number + 1) if more else None
    if not facts.has_next:
        return None
    number = number + 1 if facts.placed and number < MAX_PAGE else 1
    return _link(request, found, number, after=facts.last)


def _get_previous(request: Request, found: FoundPage) -> str | None:
    number, facts = found.query.page - 1, found.mirror
    if not (number if facts is None else facts.has_previous):
        return None
    if facts is None or facts.before is None:
        return _link(request, found, number)
    return _link(request, found, number if facts.placed else 1, before=facts.before)


def _link(request: Request, found: FoundPage, page: int, **cursor: Cursor | None) -> str:
    """Return the address of another page of the same query and source."""
    parameters = request.query_params.copy()
    parameters["source"] = Source.LIVE if found.mirror is None else Source.MIRROR
    parameters["page"] = str(page)
    for name in ("after", "before", "jump"):
        parameters.pop(name, None)
    for name, row in cursor.items():
        if row is not None:
            parameters[name] = str(row)
    return f"{request.build_absolute_uri(request.path)}?{parameters.urlencode()}"


class CountsBody(ResponseBody):
    """Number of rows of each tab of the complete list."""

    as_of: datetime | None = Field(
        description="The oldest answer of CC-iSales that the counts rest on.",
        examples=["2025-05-31T06:30:00Z"],
    )
    age: float | None = Field(description="Seconds since `as_of`.", examples=[14.2])
    complete: bool = Field(examples=[True])
    reason: Gap | None = Field(description="Why it is not complete.")
    revision: int = Field(examples=[4711])
    tabs: dict[Tab, int] = Field(
        description="Rows of each tab. `today` cuts across the others; `all` is the sum of "
        "`states`.",
        examples=[{"open": 12, "overdue": 3, "all": 40}],
    )
    states: dict[str, int] = Field(
        description="Rows of each state, every row in one.", examples=[{"overdue": 3, "gone": 1}]
    )


class ReservationCounts(PersonalView):
    """`vdns/<id>/reservations/counts/`"""

    @schema.operation(
        operation_id="reservation_counts",
        summary="Rows of every tab of the complete list",
        permission=Permission.SEE_RESERVATIONS,
        description="The filters of the list; tab, order and page do not matter.",
        parameters=_FILTERS,
        responses={
            200: CountsBody,
            422: "A parameter is out of bounds, or the VDN has no complete list.",
        },
    )
    def get(self, request: Request, vdn_id: int) -> Response:
        """Count the rows of every tab. Raises InvalidRequest."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        now = timezone.now()
        form = _get_form(request, scope)
        try:
            counts, coverage = reservations.count_tabs(scope=scope, query=form.query(), now=now)
        except SourceRefused as refused:
            raise _refuse(form, refused) from None
        return CountsBody(
            as_of=coverage.oldest,
            age=get_age(coverage.oldest, now),
            complete=coverage.complete,
            reason=coverage.reason,
            revision=counts.revision,
            tabs={tab: counts.get(tab) for tab in Tab},
            states={state.value: getattr(counts, state) for state in ReservationState},
        ).respond()


def get_age(as_of: datetime | None, now: datetime) -> float | None:
    """Return the seconds since `as_of`, not below 0."""
    return max((now - as_of).total_seconds(), 0.0) if as_of else None


def _get_form(request: Request, scope: Scope) -> ReservationFilter:
    """Validate the filter, with times in the user's zone. Raises InvalidRequest."""
    with timezone.override(scope.zone):
        return validate(ReservationFilter(request.query_params, scope=scope))


def _refuse(form: ReservationFilter, refused: SourceRefused) -> InvalidRequest:
    form.refuse(refused)
    return InvalidRequest(list_messages(form.errors))


def _build_rows(rows: tuple[Reservation, ...], scope: Scope, now: datetime) -> list[dict[str, Any]]:
    """Build the bodies of `ReservationBody` by hand; pydantic models take 50 times as long."""
    book, late_grace = result_codes.get_book(scope.vdn), scope.vdn.late_grace
    language = get_language() or "en"
    built = []
    texts: dict[str | None, str] = {}
    for row in rows:
        body: dict[str, Any] = dict(zip(_FIELDS, _read_fields(row.__dict__), strict=True))
        for name in _TIMES:
            if (moment := body[name]) is not None:
                body[name] = f"{moment.isoformat()[:-6]}Z"
        code = row.fail_code
        if code not in texts:
            meaning = book.get(code)
            texts[code] = meaning.text(language) if meaning else ""
        body["fail_code_text"] = texts[code]
        body["state"] = str(get_status(row, now, late_grace=late_grace).state)
        built.append(body)
    return built
