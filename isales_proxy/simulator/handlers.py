"""The interfaces: an HTTP request becomes an answer in the vendor's envelope.

The campaign interfaces report failures with HTTP 200. Of the OBS interfaces the pages leave open:
`result` is declared a string and is the number 0 in the examples; the tables put the fields into
`resultData` itself, the examples into `resultData.taskData[]` (an option here); the codes of
refusals; and whether call data that were read are gone (they are, here).
"""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from isales_proxy.simulator import operations, parameters
from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.demo_data import generate_reservations
from isales_proxy.simulator.faults import UNAUTHORIZED, Answer, Fault, spoil
from isales_proxy.simulator.list_behaviour import ListBehaviour
from isales_proxy.simulator.operations import CAMPAIGNS, METHODS, TOKENS
from isales_proxy.simulator.parameters import ParameterError, read_body, read_number
from isales_proxy.simulator.reservations import to_ms
from isales_proxy.simulator.signature import Request, bearer_token, is_signed
from isales_proxy.simulator.state import CallData, CodeTable, Recording, Tokens

DEMO_ACCESS_KEY: Final = "DEMOAK0001"
DEMO_SECRET_KEY: Final = "demo-secret-key-of-the-simulator"  # noqa: S105  (opens nothing real)
DEMO_APP_KEY: Final = "DEMOAPP0001"
DEMO_APP_SECRET: Final = "demo-app-secret-of-the-simulator"  # noqa: S105  (opens nothing real)

_SUCCESS: Final = "0200000"
_EXAMPLE_SECONDS: Final = "600"  # in the place of a missing X-Token-Expire
_LOG_IN_SECONDS: Final = 300
_REFRESH_SECONDS: Final = 3600
_FORBIDDEN: Final = Answer(403, b"Authentication failed", "text/plain; charset=UTF-8")
_METHOD_NOT_ALLOWED: Final = Answer(405, b"Method Not Allowed", "text/plain")

Payload = dict[str, object]


class _HttpError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Refusal(ParameterError):
    """A well-formed request that is refused as business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a simulator."""

    vdns: Collection[int] = (88, 89)
    rows: int = 12_000  # reservations per VDN, around `now()` at construction
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    behaviour: ListBehaviour = field(default_factory=ListBehaviour)
    life: bool = False  # reservations come, change and vanish while it runs
    token_seconds: int = 3600  # by `now`
    auth_header: str = "Authorization"
    call_data: int = 400  # rows per task
    access_key: str = DEMO_ACCESS_KEY
    secret_key: str = DEMO_SECRET_KEY
    app_key: str = DEMO_APP_KEY
    app_secret: str = DEMO_APP_SECRET
    as_declared: bool = False  # the OBS envelope of the tables, not of the examples


class Handlers:
    """Answers all operations; holds what the vendor would keep."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.behaviour = options.behaviour
        self.codes = CodeTable()
        self.tokens = Tokens(options.now)
        self._anchor_ms = to_ms(options.now())
        self._lock = threading.Lock()
        self._datasets: dict[int, Dataset] = {}
        self.call_data = CallData(options.vdns, options.call_data, self._anchor_ms)
        self.write_backs: Recording[dict[str, object]] = Recording(lambda body: body["uniqueId"])

    def now(self) -> datetime:
        """Return the time by the vendor's clock."""
        return self.options.now() + timedelta(milliseconds=self.behaviour.clock_offset_ms)

    def get_date(self) -> float:
        """Return the seconds since 1970 of the header `Date`: a frozen `now` does not stop it."""
        return time.time() + self.behaviour.clock_offset_ms / 1000

    def dataset(self, vdn: int) -> Dataset:
        """Return the reservations of a VDN, made at their first use. Raises KeyError."""
        if vdn not in self.options.vdns:
            raise KeyError(vdn)
        with self._lock:
            if vdn not in self._datasets:
                rows = generate_reservations(vdn, self.options.rows, self._anchor_ms)
                self._datasets[vdn] = Dataset(rows, anchor_ms=self._anchor_ms)
            return self._datasets[vdn]

    def answer_list(self, vdn: int, body: Mapping[str, object]) -> Payload:
        """Answer an `appoint/list` body like a call, without HTTP and scripted faults.

        Returns the envelope, also of a refusal. Raises KeyError for an unknown VDN.
        """
        try:
            wanted = parameters.check_reservation_filter(body, self.behaviour.max_limit)
            return self._list_reservations(vdn, wanted)
        except ParameterError as error:
            return _campaign_codes(error.code, error.sentence)

    def handle(
        self, request: Request, operation: str, path_vdn: str, fault: Fault | None
    ) -> tuple[Answer, bool]:
        """Answer one request, unless `fault` prevents it, and say whether its credentials held."""
        campaign, verified, status = operation in CAMPAIGNS, False, 200
        try:
            if operation not in TOKENS:
                self._authenticate(request, campaign=campaign)
                verified = True
            if request.method != METHODS[operation]:
                raise _HttpError(_METHOD_NOT_ALLOWED)
            if fault is not None and fault.kind.prevents:
                # The answer of another kind is replaced, or never sent.
                raise _Refusal(fault.options.get("code", ""), fault.options.get("desc", ""))
            payload = self._carry_out(request, operation, path_vdn)
            verified = True
            if fault is not None:
                payload = spoil(payload, fault)
        except _HttpError as error:
            return error.answer, verified
        except ParameterError as error:
            payload = self._refusal(error.code, error.sentence, campaign=campaign)
            status = 200 if campaign or isinstance(error, _Refusal) else 400
        return Answer(status, json.dumps(payload, ensure_ascii=False).encode()), verified

    def _authenticate(self, request: Request, *, campaign: bool) -> None:
        if campaign:
            keys = (self.options.access_key, self.options.secret_key)
            known = is_signed(request, keys=keys, now=self.now())
        else:
            header = request.headers.get(self.options.auth_header.lower())
            known = self.tokens.is_valid(bearer_token(header))
        if not known:
            raise _HttpError(UNAUTHORIZED)

    def _carry_out(self, request: Request, operation: str, path_vdn: str) -> Payload:
        """Check the parameters, and the credentials of a call for a token; then answer it."""
        match operation:
            case operations.LIST_RESERVATIONS:
                wanted = parameters.read_reservation_filter(request, self.behaviour.max_limit)
                return self._list_reservations(self._check_vdn(path_vdn), wanted)
            case operations.LIST_RESULT_CODES:
                self._check_vdn(path_vdn)
                return self._list_result_codes(*parameters.read_codes_request(request))
            case operations.LIST_OUTBOUND_TASKS:
                return self._list_tasks(*parameters.read_tasks_request(request))
            case operations.READ_CALL_DATA:
                return self._read_call_data(read_body(request, parameters.CALL_DATA))
            case operations.PUSH_MID_RESULT:
                return self._write_back(read_body(request, parameters.WRITE_BACK))
            case operations.FETCH_TOKEN:
                self._check_keys(read_body(request, parameters.APP_KEYS))
                seconds = request.headers.get("x-token-expire", _EXAMPLE_SECONDS)
                return self._fetch_token(read_number(seconds, "X-Token-Expire", 3600))
            case operations.LOG_IN:
                self._check_keys(read_body(request, parameters.LOG_IN))
                return self._log_in()
        return self._refresh(request)

    def _check_vdn(self, text: str) -> int:
        vdn = read_number(text, "vdnId", parameters.MAX_VDN)
        if vdn not in self.options.vdns:
            raise ParameterError(parameters.PARAMETER_ERROR, "vdnId: the VDN does not exist.")
        return vdn

    def _list_reservations(self, vdn: int, wanted: Mapping[str, Any]) -> Payload:
        dataset, behaviour = self.dataset(vdn), self.behaviour
        behaviour.check(wanted)
        found, now_ms = dataset.select(wanted, behaviour), to_ms(self.now())
        page = behaviour.page_of(found, wanted)
        return {
            **_campaign_codes(_SUCCESS, "success"),
            "totalCount": behaviour.total_of(len(found), len(page)),
            "data": [row.shown_at(now_ms) for row in page],
        }

    def _list_result_codes(self, page: int, size: int, locale: str) -> Payload:
        codes = list(self.codes.codes.items())
        return {
            **_campaign_codes(_SUCCESS, "query queryOBSResultCode Success!"),
            "totalCount": len(codes),
            "obsCodes": [
                {"obsCodeDesc": en if locale == "en_US" else zh, "obsCode": code}
                for code, (en, zh) in codes[size * (page - 1) : size * page]
            ],
        }

    def _list_tasks(self, cc_id: int, vdn: int) -> Payload:
        self._check_place(cc_id, vdn)
        return self._success_with([{"serviceId": task} for task in self.call_data.tasks(vdn)])

    def _read_call_data(self, body: Mapping[str, Any]) -> Payload:
        vdn, task = body["vdnId"], self._find_task(body)
        if task not in self.call_data.tasks(vdn):
            raise _Refusal("1104", "serviceId: the task is not being executed.")
        return self._success_with(self.call_data.take(vdn, task, body["batchCount"]))

    def _write_back(self, body: dict[str, Any]) -> Payload:
        self._find_task(body)
        self.write_backs.add(body)
        return self._success()

    def _find_task(self, body: Mapping[str, Any]) -> str:
        vdn, task = body["vdnId"], str(body["serviceId"])
        self._check_place(body["subCCNo"], vdn)
        if not self.call_data.has_task(vdn, task):
            raise _Refusal("1103", "serviceId: the task does not exist.")
        return task

    def _check_place(self, cc_id: int, vdn: int) -> None:
        if cc_id != 1:
            raise _Refusal("1101", "subCCNo: the call center does not exist.")
        if vdn not in self.options.vdns:
            raise _Refusal("1102", "vdnId: the VDN does not exist.")

    def _check_keys(self, body: Mapping[str, str]) -> None:
        right = f"{self.options.app_key}\0{self.options.app_secret}"
        if not hmac.compare_digest("\0".join(body.values()).encode(), right.encode()):
            raise _HttpError(_FORBIDDEN)

    def _fetch_token(self, wanted_seconds: int) -> Payload:
        seconds = min(wanted_seconds, self.options.token_seconds)
        return {
            "AccessToken": self.tokens.issue(seconds),
            "ApplyType": "Bearer",
            "CreateTime": str(int(self.options.now().timestamp())),
            "Expires": str(seconds),
            "Scope": "0" * 32,
            "AppKey": self.options.app_key,
            "UserID": "Anonymous",
        }

    def _log_in(self) -> Payload:
        seconds = min(_LOG_IN_SECONDS, self.options.token_seconds)
        data = {
            "token": self.tokens.issue(seconds),
            "tokenExpirationTime": self._number(seconds),
            "refreshToken": self.tokens.issue(_REFRESH_SECONDS, refresh=True),
            "refreshExpirationTime": self._number(_REFRESH_SECONDS),
        }
        return self._success(data)

    def _refresh(self, request: Request) -> Payload:
        body = read_body(request, parameters.REFRESH, optional=True)
        token = bearer_token(request.headers.get("authentication"))
        # The Chinese page has no body, the examples of both pages have one.
        if body.get("refreshToken", token) != token or not self.tokens.redeem(token):
            raise _HttpError(UNAUTHORIZED)
        return self._log_in()

    def _success(self, data: object = None) -> Payload:
        return {"result": self._number(0), **({} if data is None else {"resultData": data})}

    def _success_with(self, records: Sequence[Payload]) -> Payload:
        """Wrap records; as declared, one stands alone, and none leaves `resultData` empty."""
        if not self.options.as_declared:
            return self._success({"taskData": records})
        return self._success(records[0] if len(records) == 1 else records or {})

    def _refusal(self, code: str, sentence: str, *, campaign: bool) -> Payload:
        if campaign:
            return _campaign_codes(code, sentence)
        # A number, unless that would lose leading zeros or letters.
        result = self._number(int(code)) if code.isdecimal() and code[0] != "0" else code
        return {"result": result, "resultDesc": sentence}

    def _number(self, value: int) -> int | str:
        """Write a number that is declared a string."""
        return str(value) if self.options.as_declared else value


def _campaign_codes(code: str, sentence: str) -> Payload:
    codes = {"resultCode": code, "resultDesc": sentence}
    return {**codes, "returnCode": code, "returnDesc": sentence}
