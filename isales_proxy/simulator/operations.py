"""The interfaces: path, method, authentication, parameters and answer of each.

Sources: the five vendor pages, the page "C1" (`tokenByAkSk`) and that of the OBS log-in. The
campaign interfaces report failures with HTTP 200. The pages of the OBS interfaces contradict
themselves: `result` is declared a string and is the number 0 in the examples; the tables put the
fields into `resultData` itself, the examples into `resultData.taskData[]` (an option here). They do
not document the codes of refusals, nor whether call data can be read twice (here it cannot).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from isales_proxy.simulator.messages import (
    COMBINATION,
    PARAMETER_ERROR,
    UNAUTHORIZED,
    WRONG_VALUE,
    Answer,
    Field,
    Refusal,
    Request,
    json_answer,
    read_body,
    read_number,
    read_query,
)
from isales_proxy.simulator.reservations import to_ms
from isales_proxy.simulator.state import Vendor

# The names of the operations, in calls and faults.
LIST_RESERVATIONS: Final = "appoint/list"
LIST_RESULT_CODES: Final = "queryOBSResultCode"
LIST_OUTBOUND_TASKS: Final = "obs/business/tasks"
READ_CALL_DATA: Final = "obs/business/callnos"
PUSH_MID_RESULT: Final = "obs/business/push/midresult"
FETCH_TOKEN: Final = "tokenByAkSk"  # noqa: S105  (the name of an operation)
LOG_IN: Final = "obs/auth/login"
REFRESH_TOKEN: Final = "obs/auth/refresh"  # noqa: S105  (the name of an operation)

_ROOT: Final = "/rest/isales/v1/openapi/"
_CAMPAIGN: Final = f"{_ROOT}campaigns/{{vdnId}}/"
_CAMPAIGN_TYPE: Final = "application/json; charset=UTF-8"
_OBS_TYPE: Final = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_SUCCESS: Final = "0200000"
_EXAMPLE_SECONDS: Final = "600"  # without X-Token-Expire
_LOG_IN_SECONDS: Final = 300
_REFRESH_SECONDS: Final = 3600
_METHOD_NOT_ALLOWED: Final = Answer(405, b"Method Not Allowed", "text/plain")
_FORBIDDEN: Final = Answer(403, b"Authentication failed", "text/plain; charset=UTF-8")

_MAX_VDN: Final = 9999
_MAX_CC: Final = 65_535
_ID: Final = re.compile(r"[0-9A-Za-z_-]*")
_NUMBER: Final = re.compile(r"[0-9+*#]*")
_ACCOUNT: Final = Field(str, 64, pattern=re.compile(r"[^\x00-\x1f\x7f<>\"'&;\\]*"))
_MILLISECONDS: Final = Field(int, 253_402_300_799_999)
_PLACE: Final = {
    "subCCNo": Field(int, _MAX_CC, low=1, required=True),
    "vdnId": Field(int, _MAX_VDN, low=1, required=True),
}
_TASK: Final = Field(str, 64, pattern=_ID, required=True)
_TEXT: Final = Field(str, 64, blank=True)
_SECRET: Final = Field(str, 256, required=True)

Payload = dict[str, object]
Handler = Callable[[Vendor, Request], Payload | Answer]


class Auth(Enum):
    """Authentication of an interface: a C2 signature, a bearer token, or none."""

    SIGNATURE = auto()
    TOKEN = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    method: str
    auth: Auth
    handler: Handler


# By path.
OPERATIONS: Final[dict[str, Operation]] = {}


def _operation(
    root: str, name: str, auth: Auth, *, method: str = "POST"
) -> Callable[[Handler], Handler]:
    """Register the handler of `root` + `name`."""

    def declare(handler: Handler) -> Handler:
        OPERATIONS[root + name] = Operation(name, method, auth, handler)
        return handler

    return declare


_RESERVATION_FILTER: Final = {
    "offset": Field(int, 2**31 - 1, required=True),
    "calledNo": Field(str, 32, pattern=_NUMBER),
    "userAccountList": Field(list, 100, item=_ACCOUNT),
    "beginTime": _MILLISECONDS,
    "endTime": _MILLISECONDS,
    "taskId": Field(str, 64, pattern=_ID),
}


@_operation(_CAMPAIGN, LIST_RESERVATIONS, Auth.SIGNATURE)
def _list_reservations(vendor: Vendor, request: Request) -> Payload:
    vdn, behaviour = _read_vdn(vendor, request), vendor.behaviour
    limit = Field(int, behaviour.max_limit, low=1, required=True)
    wanted = read_body(request, {**_RESERVATION_FILTER, "limit": limit})
    if wanted["offset"] % wanted["limit"]:
        raise Refusal(COMBINATION, "offset: must be limit x (page - 1).")
    if wanted.get("beginTime", 0) > wanted.get("endTime", _MILLISECONDS.high):
        raise Refusal(COMBINATION, "beginTime: must not be later than endTime.")
    behaviour.check(wanted)
    found = vendor.dataset(vdn).select(wanted, behaviour)
    page, now_ms = behaviour.page_of(found, wanted), to_ms(vendor.clock())
    return {
        **_campaign_codes(_SUCCESS, "success"),
        "totalCount": behaviour.total_of(len(found), len(page)),
        "data": [row.shown_at(now_ms) for row in page],
    }


_PAGE: Final = {
    "pageNum": Field(int, 2**31 - 1, low=1, required=True),
    "pageSize": Field(int, 50, low=1, required=True),
}


@_operation(_CAMPAIGN, LIST_RESULT_CODES, Auth.SIGNATURE, method="GET")
def _list_result_codes(vendor: Vendor, request: Request) -> Payload:
    _read_vdn(vendor, request)
    page, size = read_query(request, _PAGE).values()
    locale = request.headers.get("locale", "zh_CN")
    if locale not in ("zh_CN", "en_US"):
        raise Refusal(WRONG_VALUE, "locale: the value is zh_CN or en_US.")
    codes = sorted(vendor.codes.items())
    return {
        **_campaign_codes(_SUCCESS, "query queryOBSResultCode Success!"),
        "totalCount": len(codes),
        "obsCodes": [
            {"obsCodeDesc": en if locale == "en_US" else zh, "obsCode": code}
            for code, (en, zh) in codes[size * (page - 1) : size * page]
        ],
    }


_PLACE_AS_TEXT: Final = dict.fromkeys(_PLACE, Field(str, 18, required=True))


@_operation(_ROOT, LIST_OUTBOUND_TASKS, Auth.TOKEN)
def _list_tasks(vendor: Vendor, request: Request) -> Payload:
    body = read_body(request, _PLACE_AS_TEXT)
    vdn = read_number("vdnId", body["vdnId"], _MAX_VDN)
    _check_place(vendor, read_number("subCCNo", body["subCCNo"], _MAX_CC), vdn)
    records = [{"serviceId": task} for task in vendor.call_data.tasks(vdn)]
    return {"result": 0, "resultData": {"taskData": records}}


_CALL_DATA: Final = {
    **_PLACE,
    "serviceId": Field(int, 10**18 - 1, required=True, alternative=_TASK),
    "batchCount": Field(int, 1000, low=1, required=True),
}


@_operation(_ROOT, READ_CALL_DATA, Auth.TOKEN)
def _read_call_data(vendor: Vendor, request: Request) -> Payload:
    body = read_body(request, _CALL_DATA)
    vdn, task = body["vdnId"], _find_task(vendor, body)
    if task not in vendor.call_data.tasks(vdn):
        raise Refusal("1104", "serviceId: the task is not being executed.", status=200)
    records = vendor.call_data.take(vdn, task, body["batchCount"])
    return {"result": 0, "resultData": {"taskData": records}}


_WRITE_BACK: Final = {
    **_PLACE,
    "uniqueId": Field(str, 64, pattern=_ID, required=True),
    "serviceId": _TASK,
    "deviceType": Field(int, 9999),
    "status": Field(str, 16, pattern=_ID, blank=True),
    "phoneNumber": Field(str, 32, pattern=_NUMBER, blank=True),
    "failCode": Field(str, 16, pattern=_ID, blank=True),
    "asrResult": _TEXT,
    "fetchTime": _TEXT,
    "writeStartTime": _TEXT,
    "endCallTime": _TEXT,
    "callId": Field(str, 128, blank=True),
}


@_operation(_ROOT, PUSH_MID_RESULT, Auth.TOKEN)
def _write_back(vendor: Vendor, request: Request) -> Payload:
    body = read_body(request, _WRITE_BACK)
    _find_task(vendor, body)
    vendor.write_backs.add(body)
    return {"result": 0}


@_operation("/apigovernance/api/oauth/", FETCH_TOKEN, Auth.NONE)
def _fetch_token(vendor: Vendor, request: Request) -> Payload | Answer:
    body = read_body(request, {"app_key": _SECRET, "app_secret": _SECRET})
    if not _is_app(vendor, body):
        return _FORBIDDEN
    wanted = request.headers.get("x-token-expire", _EXAMPLE_SECONDS)
    seconds = min(read_number("X-Token-Expire", wanted, 3600), vendor.token_seconds)
    return {
        "AccessToken": vendor.tokens.issue(seconds),
        "ApplyType": "Bearer",
        "CreateTime": str(int(vendor.now().timestamp())),
        "Expires": str(seconds),
        "Scope": "0" * 32,
        "AppKey": vendor.app_key,
        "UserID": "Anonymous",
    }


@_operation(_ROOT, LOG_IN, Auth.NONE)
def _log_in(vendor: Vendor, request: Request) -> Payload | Answer:
    body = read_body(request, {"user": _SECRET, "passwd": _SECRET})
    return _issue_pair(vendor) if _is_app(vendor, body) else _FORBIDDEN


@_operation(_ROOT, REFRESH_TOKEN, Auth.NONE)
def _refresh(vendor: Vendor, request: Request) -> Payload | Answer:
    # The Chinese page has no body, the examples of both pages have one.
    body = read_body(request, {"refreshToken": Field(str, 4096)}) if request.body else {}
    token = request.bearer_token("authentication")
    if body.get("refreshToken", token) != token or not vendor.tokens.redeem(token):
        return UNAUTHORIZED
    return _issue_pair(vendor)


def _check_content_type(request: Request, operation: Operation) -> None:
    given = request.headers.get("content-type")
    if operation.auth is Auth.SIGNATURE:
        if given != _CAMPAIGN_TYPE:
            sentence = f"Content-Type: the value is fixed to {_CAMPAIGN_TYPE}."
            raise Refusal(PARAMETER_ERROR, sentence)
    # The OBS pages call the header optional; a given value must be correct.
    elif given is not None and not _OBS_TYPE.fullmatch(given):
        raise Refusal(PARAMETER_ERROR, "Content-Type: the value is application/json.")


def perform(vendor: Vendor, operation: Operation, request: Request) -> Answer:
    if request.method != operation.method:
        return _METHOD_NOT_ALLOWED
    try:
        _check_content_type(request, operation)
        payload = operation.handler(vendor, request)
    except Refusal as refusal:
        return refuse(vendor, operation, refusal)
    if isinstance(payload, Answer):
        return payload
    return json_answer(_in_form(vendor, payload))


def refuse(vendor: Vendor, operation: Operation, refusal: Refusal) -> Answer:
    code, sentence = refusal.code, refusal.sentence
    if operation.auth is Auth.SIGNATURE:
        return json_answer(_campaign_codes(code, sentence))
    # A number, unless the code has leading zeros or letters.
    result = int(code) if code.isdecimal() and code[0] != "0" else code
    payload = _in_form(vendor, {"result": result, "resultDesc": sentence})
    return json_answer(payload, refusal.status)


def _in_form(vendor: Vendor, payload: Payload) -> Payload:
    """Return an OBS answer as in the examples, or, with `as_declared`, as in the tables.

    Then numbers are texts, a single record is not in a list, and without one `resultData` is empty.
    """
    if not vendor.as_declared or "result" not in payload:
        return payload
    declared, data = {**payload, "result": str(payload["result"])}, payload.get("resultData")
    if isinstance(data, dict) and "taskData" in data:
        records = data["taskData"]
        declared["resultData"] = records[0] if len(records) == 1 else records or {}
    elif isinstance(data, dict):
        declared["resultData"] = {name: str(value) for name, value in data.items()}
    return declared


def _campaign_codes(code: str, sentence: str) -> Payload:
    codes = {"resultCode": code, "resultDesc": sentence}
    return {**codes, "returnCode": code, "returnDesc": sentence}


def _read_vdn(vendor: Vendor, request: Request) -> int:
    vdn = read_number("vdnId", request.vdn, _MAX_VDN)
    if vdn not in vendor.vdns:
        raise Refusal(PARAMETER_ERROR, "vdnId: the VDN does not exist.")
    return vdn


def _check_place(vendor: Vendor, cc_id: int, vdn: int) -> None:
    if cc_id != 1:
        raise Refusal("1101", "subCCNo: the call center does not exist.", status=200)
    if vdn not in vendor.vdns:
        raise Refusal("1102", "vdnId: the VDN does not exist.", status=200)


def _find_task(vendor: Vendor, body: Mapping[str, Any]) -> str:
    vdn, task = body["vdnId"], str(body["serviceId"])
    _check_place(vendor, body["subCCNo"], vdn)
    if not vendor.call_data.has_task(vdn, task):
        raise Refusal("1103", "serviceId: the task does not exist.", status=200)
    return task


def _is_app(vendor: Vendor, body: Mapping[str, str]) -> bool:
    return [*body.values()] == [vendor.app_key, vendor.app_secret]


def _issue_pair(vendor: Vendor) -> Payload:
    """Issue an access token and a refresh token."""
    seconds = min(_LOG_IN_SECONDS, vendor.token_seconds)
    data = {
        "token": vendor.tokens.issue(seconds),
        "tokenExpirationTime": seconds,
        "refreshToken": vendor.tokens.issue(_REFRESH_SECONDS, refresh=True),
        "refreshExpirationTime": _REFRESH_SECONDS,
    }
    return {"result": 0, "resultData": data}
