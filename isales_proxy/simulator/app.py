"""The simulator itself: CC-iSales on a loopback port, started and stopped from Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from isales_proxy.simulator import control, interfaces
from isales_proxy.simulator.calls import KEPT_HEADERS, Call, Calls
from isales_proxy.simulator.codes import CodeBook
from isales_proxy.simulator.data import Dataset
from isales_proxy.simulator.faults import LIST_RESERVATIONS, Fault, Faults
from isales_proxy.simulator.gate import is_signed, split_target
from isales_proxy.simulator.generation import generate
from isales_proxy.simulator.parameters import (
    PARAMETER_ERROR,
    ParameterError,
    check_content_type,
    check_vdn,
    decode_body,
    read_codes_request,
    read_list_request,
)
from isales_proxy.simulator.server import Request, Server
from isales_proxy.simulator.wire import JSON_TYPE, NOT_FOUND, UNAUTHORIZED, Answer, replaced

DEMO_ACCESS_KEY: Final = "DEMOAK0001"
DEMO_SECRET_KEY: Final = "demo-secret-key-of-the-simulator"  # noqa: S105  (opens nothing real)

_METHOD_NOT_ALLOWED: Final = Answer(405, b"Method Not Allowed", "text/plain")
_FORBIDDEN: Final = Answer(403, b"loopback only", "text/plain")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Simulator:
    """A CC-iSales of our own on `host:port`; port 0 picks a free one.

    `rows` reservations are made per VDN from `seed`, around `now()` at construction; with a
    frozen `now` every answer is the same each time. `calls` keeps what was asked, `faults`
    scripts what goes wrong, `codes` is the code table. `max_skew` is the clock difference
    that a signature may show. `exact_number` lets `calledNo` match whole numbers only,
    since the vendor does not say which it does.

    After `stop`, `start` comes back on the same port, as a vendor does after an outage.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rows: int = 12_000,
        seed: int = 1,
        now: Callable[[], datetime] = _utc_now,
        vdns: Iterable[int] = (88, 89),
        access_key: str = DEMO_ACCESS_KEY,
        secret_key: str = DEMO_SECRET_KEY,
        max_skew: timedelta = timedelta(minutes=15),
        max_limit: int = 100,
        exact_number: bool = False,
    ) -> None:
        self.calls = Calls()
        self.faults = Faults()
        self.codes = CodeBook()
        self.vdns = frozenset(vdns)
        self._host, self._port = host, port
        self._rows, self._seed = rows, seed
        self._now = now
        self._anchor_ms = _to_ms(now())
        self._keys = (access_key, secret_key)
        self._max_skew = max_skew
        self._max_limit = max_limit
        self._exact_number = exact_number
        self._lock = threading.Lock()
        self._datasets: dict[int, Dataset] = {}
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """`http://host:port`; known once it was started."""
        return f"http://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """The port in use; the one asked for until it was started."""
        return self._port

    def start(self) -> Self:
        """Listen and serve in the background. OSError when the port is taken."""
        if self._server is None:
            server = Server(self._host, self._port, self._respond)
            self._port = server.server_port
            self._server = server
            self._thread = threading.Thread(
                target=server.serve, name="isales-simulator", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end every connection; harmless when it is stopped already."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.cut()
            thread.join()
            server.server_close()
            # Once more for a connection that was accepted during the first cut.
            server.end_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def dataset(self, vdn: int) -> Dataset:
        """The rows of one VDN, made at its first use. KeyError for a VDN not simulated."""
        if vdn not in self.vdns:
            raise KeyError(vdn)
        with self._lock:
            if vdn not in self._datasets:
                self._datasets[vdn] = Dataset(
                    generate(vdn=vdn, rows=self._rows, seed=self._seed, anchor_ms=self._anchor_ms),
                    anchor_ms=self._anchor_ms,
                    exact_number=self._exact_number,
                )
            return self._datasets[vdn]

    def add_rows(self, vdn: int, rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among those of a VDN; they are answered as given."""
        self.dataset(vdn).add(rows)

    def _respond(self, request: Request) -> tuple[Answer, Fault | None]:
        path, query = split_target(request.target)
        if path.startswith(control.PREFIX):
            if not control.is_local(request.client, request.headers.get("host", "")):
                return _FORBIDDEN, None
            return control.answer(self, request.method, path, request.body), None
        routed = interfaces.route(path)
        if routed is None:
            return NOT_FOUND, None
        operation, vdn = routed
        fault = self.faults.take(operation)
        verified = is_signed(
            request, path, query, keys=self._keys, now=self._now(), max_skew=self._max_skew
        )
        payload: interfaces.Payload | None = None
        if not verified:
            answer = UNAUTHORIZED
        elif request.method != interfaces.METHODS[operation]:
            answer = _METHOD_NOT_ALLOWED
        else:
            payload = self._payload(request, operation, vdn, query, fault)
            if fault is not None:
                payload = interfaces.spoil(payload, fault)
            answer = Answer(200, json.dumps(payload, ensure_ascii=False).encode(), JSON_TYPE)
        if fault is not None:
            intact, answer = answer, replaced(answer, fault)
            payload = payload if answer is intact else None
        self._keep(request, operation, vdn, query, fault, verified, answer, payload)
        return answer, fault

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
            vdn = check_vdn(vdn_text, self.vdns)
            if operation == LIST_RESERVATIONS:
                if query:
                    raise ParameterError(PARAMETER_ERROR, "query: no parameter is expected.")
                wanted = read_list_request(decode_body(request.body), max_limit=self._max_limit)
                return interfaces.reservations(
                    self.dataset(vdn), wanted, now_ms=_to_ms(self._now()), fault=fault
                )
            if request.body:
                raise ParameterError(PARAMETER_ERROR, "request body: none is expected.")
            codes = read_codes_request(query, request.headers.get("locale"))
            return interfaces.result_codes(self.codes, codes, fault=fault)
        except ParameterError as error:
            return interfaces.refusal(error)

    def _keep(
        self,
        request: Request,
        operation: str,
        vdn: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
        verified: bool,
        answer: Answer,
        payload: interfaces.Payload | None,
    ) -> None:
        try:
            body = json.loads(request.body) if request.body else None
        except (ValueError, RecursionError):
            body = None
        code = payload.get("resultCode") if payload else None
        unanswered = fault is not None and fault.kind in ("reset", "close")
        self.calls.add(
            Call(
                number=self.calls.next_number(),
                operation=operation,
                method=request.method,
                path=split_target(request.target)[0],
                vdn=vdn,
                query=tuple(query),
                body=body,
                raw_body=request.body,
                headers={k: v for k, v in request.headers.items() if k in KEPT_HEADERS},
                connection=request.connection,
                verified=verified,
                fault=fault.kind if fault else None,
                status=0 if unanswered else answer.status,
                code=None if code is None or unanswered else str(code),
            )
        )


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
