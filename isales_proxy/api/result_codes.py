"""`/api/v1/vdns/<id>/result-codes/`: the code table in JSON, its refresh, and its history."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpResponseBase
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from pydantic import Field
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
    require_nothing,
    respond_unless_known,
    validate,
)
from isales_proxy.api.errors import InvalidRequest
from isales_proxy.api.permissions import ADMINISTERS
from isales_proxy.core.form_fields import PageFilter
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import CodeCategory, RefreshKind
from isales_proxy.result_codes import history, occurrences
from isales_proxy.result_codes import refresh as code_refresh
from isales_proxy.result_codes import services as result_codes


class ResultCodeBody(ResponseBody):
    """One OBS result code in both languages."""

    code: str = Field(description="Leading zeros kept.", examples=["00604"])
    text_en: str = Field(description="The vendor's text.", examples=["The call is rejected."])
    text_zh: str = Field(description="The vendor's text.", examples=["呼叫拒绝"])
    category: CodeCategory | Literal[""] = Field(
        description="On whose side the reason lies; empty where that is not known.",
        examples=["customer"],
    )
    meaning_en: str = Field(
        description="In plain words; like the next three by an admin of the VDN, else built in.",
        examples=["The call was rejected."],
    )
    meaning_zh: str = Field(examples=["呼叫被拒绝。"])
    step_en: str = Field(description="What to do next.", examples=["Do not call back right away."])
    step_zh: str = Field(examples=["不要立即再次呼叫。"])
    edited: bool = Field(description="Whether an admin changed category or words.")
    seen_7d: int = Field(
        description="Distinct reservations seen with this code in the last seven days (UTC)."
    )
    first_seen: datetime = Field(description="First listed by the vendor.")
    last_seen: datetime = Field(description="Last listed by the vendor.")
    gone_at: datetime | None = Field(description="Since when the vendor no longer lists it.")


class UnknownCode(ResponseBody):
    """A code of reservations that is not in the table."""

    code: str = Field(examples=["98765"])
    seen_7d: int = Field(examples=[3])


class ResultCodeList(ResponseBody):
    """The whole code table of a VDN, including removed codes."""

    count: int = Field(examples=[1])
    as_of: datetime | None = Field(
        description="When it was read; null: never yet.", examples=["2025-05-31T03:17:00Z"]
    )
    results: list[ResultCodeBody]
    unknown: list[UnknownCode]


class CodeTextBody(ResponseBody):
    """The vendor's text of one code."""

    zh: str = Field(examples=["呼叫拒绝"])
    en: str = Field(examples=["The call is rejected."])


class CodeChangeBody(ResponseBody):
    """The change of one code."""

    code: str = Field(examples=["00604"])
    kind: Literal["added", "removed", "reworded"]
    before: CodeTextBody | None = Field(description="null: it was not in the table.")
    after: CodeTextBody | None = Field(
        description="null: it is no longer in the table.",
        examples=[{"zh": "呼叫拒绝", "en": "The call is rejected."}],
    )


class RefreshBody(ResponseBody):
    """The changes of a refresh, or of its preview; numbers of codes."""

    kept: int
    added: int = Field(examples=[1])
    reworded: int
    removed: int = Field(description="No longer listed; kept for the old rows.")
    read_at: datetime
    applied: bool = Field(description="false: only a preview.")
    changes: list[CodeChangeBody]


class CodeHistoryEntry(ResponseBody):
    """One change of the table."""

    id: int = Field(examples=[7])
    at: datetime
    kind: RefreshKind = Field(description="What brought it about.")
    by: str = Field(description="A person's name, or the part of the system.", examples=["maria"])
    added: int = Field(examples=[1])
    reworded: int
    removed: int
    changes: list[CodeChangeBody]


class CodeHistoryPage(PageBody):
    """One page of the history, newest first."""

    results: list[CodeHistoryEntry]


class ResultCodes(PersonalView):
    """`vdns/<id>/result-codes/`"""

    @schema.operation(
        operation_id="result_codes",
        summary="The OBS result codes of a VDN, in both languages",
        permission=Permission.SEE_RESULT_CODES,
        description="Answered from our own table, also while CC-iSales is away. Both languages are "
        "there whatever yours is.",
        parameters=schema.etag_parameters(
            "The same for equal answers alone, the counts of the last days included."
        ),
        responses={200: ResultCodeList, 304: schema.UNCHANGED},
    )
    def get(self, request: Request, vdn_id: int) -> HttpResponseBase:
        """Return the whole table, or 304 if the client has the same."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        response = _build_table(scope).respond()
        # A hash of the whole body: a strong ETag.
        return respond_unless_known(request, response, quote_etag(hash_body(response.data)))


class ResultCodesRefresh(PersonalView):
    """`vdns/<id>/result-codes/refresh/`"""

    needs = ADMINISTERS

    @schema.operation(
        operation_id="result_codes_refresh",
        summary="Refresh the code table",
        permission=Permission.REFRESH_RESULT_CODES,
        description="For admins. The table that was read is applied at once, or with `preview` "
        "only compared with ours. A refresh that fails or stops half-way changes nothing.",
        request=None,
        parameters=[
            OpenApiParameter(
                "preview",
                bool,
                OpenApiParameter.QUERY,
                description="true: say what would change, and change nothing.",
            )
        ],
        responses={
            200: RefreshBody,
            403: "You are no admin of this VDN, or the CSRF token does not fit.",
            409: "A refresh is already running.",
            422: "`preview` is neither true nor false; nothing was read.",
            **schema.VENDOR_FAILS,
        },
        examples=[schema.UNAVAILABLE_EXAMPLE],
    )
    def post(self, request: Request, vdn_id: int) -> Response:
        """Refresh the table, or only return what would change."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        require_nothing(request, parameters=["preview"])
        preview = _get_preview(request)
        report = (
            code_refresh.create_preview(scope=scope).report
            if preview
            else result_codes.refresh(scope=scope)
        )
        return RefreshBody.build(report, applied=not preview).respond()


class CodeHistory(PersonalView):
    """`vdns/<id>/result-codes/history/`"""

    @schema.operation(
        operation_id="result_codes_history",
        summary="What changed the code table, when, and by whom",
        permission=Permission.SEE_RESULT_CODES,
        description="Newest first. A refresh that changed nothing has no entry.",
        parameters=schema.page_parameters("Entries a page."),
        responses={200: CodeHistoryPage, 422: "A parameter is out of bounds."},
    )
    def get(self, request: Request, vdn_id: int) -> Response:
        """List one page of the changes of the table."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        found = validate(PageFilter(request.query_params)).cleaned_data
        rows, total = history.list_entries(scope=scope, page=found["page"], size=found["size"])
        entries = [
            CodeHistoryEntry.build(
                row, changes=[history.parse_change(each) for each in row.changes]
            )
            for row in rows
        ]
        return CodeHistoryPage(
            count=total, page=found["page"], size=found["size"], results=entries
        ).respond()


def _get_preview(request: Request) -> bool:
    """Return the parameter; False if absent. Raises InvalidRequest."""
    text = clean_text(request.query_params.get("preview", "false")).strip()
    if text not in {"true", "false"}:
        raise InvalidRequest({"preview": [_("Must be true or false.")]})
    return text == "true"


def _build_table(scope: Scope) -> ResultCodeList:
    book = result_codes.get_book(scope.vdn)
    seen = occurrences.count_recent(scope.vdn)
    return ResultCodeList(
        count=len(book.codes),
        as_of=book.read_at,
        results=[
            ResultCodeBody.build(row, **vars(row.explained), seen_7d=seen.get(row.code, 0))
            for row in book.codes.values()
        ],
        unknown=[
            UnknownCode(code=code, seen_7d=seen[code])
            for code in sorted(seen.keys() - book.codes.keys())
        ],
    )
