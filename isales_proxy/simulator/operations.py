"""Which operation a request is: the names, methods and paths of all that the simulator answers.

The names are those of `Call.operation` and of the faults. Basis: the URIs of the five vendor
pages, of "C1 System Configuration Interface Authentication" (`tokenByAkSk`) and of the two pages
of the OBS log-in (`obs/auth/login`, `obs/auth/refresh`).
"""

from __future__ import annotations

import re
from typing import Final

LIST_RESERVATIONS: Final = "appoint/list"
LIST_RESULT_CODES: Final = "queryOBSResultCode"
LIST_OUTBOUND_TASKS: Final = "obs/business/tasks"
READ_CALL_DATA: Final = "obs/business/callnos"
PUSH_MID_RESULT: Final = "obs/business/push/midresult"
FETCH_TOKEN: Final = "tokenByAkSk"  # noqa: S105  (the name of an operation)
LOG_IN: Final = "obs/auth/login"
REFRESH_TOKEN: Final = "obs/auth/refresh"  # noqa: S105  (the name of an operation)

CAMPAIGNS: Final = frozenset({LIST_RESERVATIONS, LIST_RESULT_CODES})
BUSINESS: Final = frozenset({LIST_OUTBOUND_TASKS, READ_CALL_DATA, PUSH_MID_RESULT})
TOKENS: Final = frozenset({FETCH_TOKEN, LOG_IN, REFRESH_TOKEN})
OPERATIONS: Final = CAMPAIGNS | BUSINESS | TOKENS

METHODS: Final = dict.fromkeys(OPERATIONS, "POST") | {LIST_RESULT_CODES: "GET"}

_ROOT: Final = "/rest/isales/v1/openapi/"
_OF_A_VDN: Final = re.compile(
    rf"{_ROOT}campaigns/(?P<vdn>[^/]*)/(?P<operation>appoint/list|queryOBSResultCode)"
)
_FIXED: Final = {_ROOT + name: name for name in BUSINESS | {LOG_IN, REFRESH_TOKEN}} | {
    "/apigovernance/api/oauth/tokenByAkSk": FETCH_TOKEN
}


def route(path: str) -> tuple[str, str] | None:
    """The operation and the text in the place of `vdnId`; None for a path that is not ours.

    The OBS interfaces have no `vdnId` in their paths: the text is empty for them.
    """
    match = _OF_A_VDN.fullmatch(path)
    if match:
        return match["operation"], match["vdn"]
    operation = _FIXED.get(path)
    return None if operation is None else (operation, "")
