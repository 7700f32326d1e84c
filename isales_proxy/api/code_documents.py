"""What the schema says of the code book beside its shapes."""

from __future__ import annotations

from typing import Final

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from isales_proxy.api.code_serializers import CodeHistoryFields, RefreshFields, ResultCodeListFields
from isales_proxy.api.documents import (
    AWAY,
    FOREIGN,
    RETRY_AFTER,
    STRANGER,
    VENDOR,
    number,
    problems,
)
from isales_proxy.client.queries import MAX_PAGE, MAX_PAGE_SIZE
from isales_proxy.core.form_fields import DEFAULT_SIZE

_IF_NONE_MATCH: Final = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of an answer that you still have: 304 while it is what you would get.",
)
_ETAG: Final = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    description="The same for equal answers alone, the counts of the last days included.",
    response=[200, 304],
)
result_codes: Final = extend_schema(
    operation_id="result_codes",
    summary="The OBS result codes of a VDN, in both languages",
    description=(
        "Answered from our own table, also while CC-iSales is away. Both languages are there "
        "whatever yours is."
    ),
    parameters=[_IF_NONE_MATCH, _ETAG],
    responses={
        200: ResultCodeListFields,
        304: OpenApiResponse(description="What you have is what you would get."),
        **STRANGER,
        **FOREIGN,
    },
)

refresh: Final = extend_schema(
    operation_id="result_codes_refresh",
    summary="Read the code table anew",
    description=(
        "For admins. The table that was read is applied at once, or with `preview` only compared "
        "with ours. A refresh that fails or stops half-way changes nothing."
    ),
    request=None,
    parameters=[
        OpenApiParameter(
            "preview",
            bool,
            OpenApiParameter.QUERY,
            description="true: say what would change, and change nothing.",
        ),
        RETRY_AFTER,
    ],
    responses={
        200: RefreshFields,
        **STRANGER,
        **problems(s403="You are no admin of this VDN, or the CSRF token does not fit."),
        **FOREIGN,
        **problems(
            s409="A refresh is already under way.",
            s422="`preview` is neither true nor false; nothing was read.",
        ),
        **VENDOR,
    },
    examples=[AWAY],
)

history: Final = extend_schema(
    operation_id="result_codes_history",
    summary="What changed the code table, when, and by whom",
    description="Newest first. A refresh that changed nothing has no entry.",
    parameters=[
        number("page", "From 1.", default=1, most=MAX_PAGE),
        number("size", "Entries a page.", default=DEFAULT_SIZE, most=MAX_PAGE_SIZE),
    ],
    responses={
        200: CodeHistoryFields,
        **STRANGER,
        **FOREIGN,
        **problems(s422="A parameter is out of bounds."),
    },
)
