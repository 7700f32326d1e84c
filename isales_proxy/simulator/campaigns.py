"""The campaign desk: checks signature and parameters of the C2 interfaces and answers them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from isales_proxy.simulator import interfaces
from isales_proxy.simulator.codes import CodeBook
from isales_proxy.simulator.data import Dataset, to_ms
from isales_proxy.simulator.faults import Fault
from isales_proxy.simulator.gate import is_signed
from isales_proxy.simulator.generation import generate
from isales_proxy.simulator.operations import LIST_RESERVATIONS, METHODS
from isales_proxy.simulator.parameters import (
    PARAMETER_ERROR,
    ParameterError,
    check_content_type,
    check_vdn,
    decode_body,
    read_codes_request,
    read_list_request,
)
from isales_proxy.simulator.server import Request
from isales_proxy.simulator.wire import METHOD_NOT_ALLOWED, UNAUTHORIZED, Answer, Outcome


class CampaignDesk:
    """Answers `appoint/list` and `queryOBSResultCode`; the arguments are the simulator's."""

    def __init__(
        self,
        *,
        vdns: frozenset[int],
        rows: int,
        seed: int,
        anchor_ms: int,
        now: Callable[[], datetime],
        keys: tuple[str, str],
        max_skew: timedelta,
        max_limit: int,
        exact_number: bool,
    ) -> None:
        self.codes = CodeBook()
        self._vdns = vdns
        self._rows, self._seed, self._anchor_ms = rows, seed, anchor_ms
        self._now = now
        self._keys = keys
        self._max_skew = max_skew
        self._max_limit = max_limit
        self._exact_number = exact_number
        self._lock = threading.Lock()
        self._datasets: dict[int, Dataset] = {}

    def dataset(self, vdn: int) -> Dataset:
        """The rows of one VDN, made at its first use. KeyError for a VDN not simulated."""
        if vdn not in self._vdns:
            raise KeyError(vdn)
        with self._lock:
            if vdn not in self._datasets:
                self._datasets[vdn] = Dataset(
                    generate(vdn=vdn, rows=self._rows, seed=self._seed, anchor_ms=self._anchor_ms),
                    anchor_ms=self._anchor_ms,
                    exact_number=self._exact_number,
                )
            return self._datasets[vdn]

    def answer(
        self,
        request: Request,
        operation: str,
        path: str,
        vdn: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
    ) -> Outcome:
        """The answer as the envelope faults leave it."""
        if not is_signed(
            request, path, query, keys=self._keys, now=self._now(), max_skew=self._max_skew
        ):
            return Outcome(UNAUTHORIZED, verified=False, vdn=vdn)
        if request.method != METHODS[operation]:
            return Outcome(METHOD_NOT_ALLOWED, verified=True, vdn=vdn)
        payload = self._payload(request, operation, vdn, query, fault)
        if fault is not None:
            payload = interfaces.spoil(payload, fault)
        code = payload.get("resultCode")
        return Outcome(
            Answer(200, json.dumps(payload, ensure_ascii=False).encode()),
            verified=True,
            vdn=vdn,
            code=None if code is None else str(code),
        )

    def _payload(
        self,
        request: Request,
        operation: str,
        vdn_text: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
    ) -> interfaces.Payload:
        try:
            check_content_type(request.headers.get("content-type"))
            vdn = check_vdn(vdn_text, self._vdns)
            if operation == LIST_RESERVATIONS:
                if query:
                    raise ParameterError(PARAMETER_ERROR, "query: no parameter is expected.")
                wanted = read_list_request(decode_body(request.body), max_limit=self._max_limit)
                return interfaces.reservations(
                    self.dataset(vdn), wanted, now_ms=to_ms(self._now()), fault=fault
                )
            if request.body:
                raise ParameterError(PARAMETER_ERROR, "request body: none is expected.")
            codes = read_codes_request(query, request.headers.get("locale"))
            return interfaces.result_codes(self.codes, codes, fault=fault)
        except ParameterError as error:
            return interfaces.refusal(error)
