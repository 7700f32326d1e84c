"""Names, methods and paths of the operations; the names are those of `Call.operation` and faults.

Basis: the URIs of the five vendor pages, of the page "C1" (`tokenByAkSk`) and of the OBS log-in.
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
TOKENS: Final = frozenset({FETCH_TOKEN, LOG_IN, REFRESH_TOKEN})
OPERATIONS: Final = CAMPAIGNS | TOKENS | {LIST_OUTBOUND_TASKS, READ_CALL_DATA, PUSH_MID_RESULT}
METHODS: Final = dict.fromkeys(OPERATIONS, "POST") | {LIST_RESULT_CODES: "GET"}

_ROOT: Final = "/rest/isales/v1/openapi/"
_CAMPAIGN: Final = re.compile(rf"{_ROOT}campaigns/([^/]*)/(appoint/list|queryOBSResultCode)")
_PATHS: Final = {_ROOT + name: name for name in OPERATIONS if name.startswith("obs/")} | {
    "/apigovernance/api/oauth/tokenByAkSk": FETCH_TOKEN
}


def route(path: str) -> tuple[str, str] | None:
    """Return operation and raw `vdnId` of a path (empty for OBS); None for an unknown path."""
    if match := _CAMPAIGN.fullmatch(path):
        return match[2], match[1]
    return (_PATHS[path], "") if path in _PATHS else None
