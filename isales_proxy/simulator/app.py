"""The simulator itself: CC-iSales on a loopback port, started and stopped from Python."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from isales_proxy.simulator import control
from isales_proxy.simulator.call_data import CallData
from isales_proxy.simulator.calls import Call, Calls, kept_body, kept_headers
from isales_proxy.simulator.campaigns import CampaignDesk
from isales_proxy.simulator.data import Dataset, to_ms
from isales_proxy.simulator.faults import UNANSWERED, Fault, Faults
from isales_proxy.simulator.gate import split_target
from isales_proxy.simulator.obs import ObsDesk
from isales_proxy.simulator.obs_envelope import Envelope
from isales_proxy.simulator.operations import BUSINESS, CAMPAIGNS, route
from isales_proxy.simulator.server import Request, Server
from isales_proxy.simulator.token_desk import TokenDesk
from isales_proxy.simulator.tokens import Tokens
from isales_proxy.simulator.wire import NOT_FOUND, Answer, Outcome, replaced
from isales_proxy.simulator.write_backs import WriteBacks

DEMO_ACCESS_KEY: Final = "DEMOAK0001"
DEMO_SECRET_KEY: Final = "demo-secret-key-of-the-simulator"  # noqa: S105  (opens nothing real)
DEMO_APP_KEY: Final = "DEMOAPP0001"
DEMO_APP_SECRET: Final = "demo-app-secret-of-the-simulator"  # noqa: S105  (opens nothing real)

_LOOPBACK_ONLY: Final = Answer(403, b"loopback only", "text/plain")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Simulator:
    """A CC-iSales of our own on `host:port`; port 0 picks a free one.

    `rows` reservations are made per VDN from `seed`, around `now()` at construction; with a
    frozen `now` every answer is the same each time. `calls` keeps what was asked, `faults`
    scripts what goes wrong, `codes` is the code table. `max_skew` is the clock difference
    that a signature may show. `exact_number` lets `calledNo` match whole numbers only,
    since the vendor does not say which it does.

    The OBS interfaces want a token for `app_key` and `app_secret` (user and password of the
    log-in, too) in the header `auth_header`; it lives as long as asked, at most `token_seconds`,
    by the clock `now`. `call_data` rows of each task are handed out once, at most `max_batch` a
    call; what is written back is in `write_backs`. `result_as_text` and `flat` give the envelope
    the form of the vendor's tables instead of that of the examples. `tokens` can be revoked.

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
        app_key: str = DEMO_APP_KEY,
        app_secret: str = DEMO_APP_SECRET,
        cc_id: int = 1,
        token_seconds: int | None = None,
        auth_header: str = "Authorization",
        call_data: int = 400,
        max_batch: int = 1000,
        result_as_text: bool = False,
        flat: bool = False,
    ) -> None:
        self.calls = Calls()
        self.faults = Faults()
        self.vdns = frozenset(vdns)
        self._host, self._port = host, port
        anchor_ms = to_ms(now())
        self._campaigns = CampaignDesk(
            vdns=self.vdns,
            rows=rows,
            seed=seed,
            anchor_ms=anchor_ms,
            now=now,
            keys=(access_key, secret_key),
            max_skew=max_skew,
            max_limit=max_limit,
            exact_number=exact_number,
        )
        self.codes = self._campaigns.codes
        self.tokens = Tokens(now)
        self.call_data = CallData(vdns=self.vdns, rows=call_data, seed=seed, anchor_ms=anchor_ms)
        self.write_backs = WriteBacks()
        envelope = Envelope(as_text=result_as_text, flat=flat)
        self._token_desk = TokenDesk(
            tokens=self.tokens,
            keys=(app_key, app_secret),
            cap=token_seconds,
            now=now,
            envelope=envelope,
        )
        self._obs = ObsDesk(
            vdns=self.vdns,
            cc_id=cc_id,
            tokens=self.tokens,
            call_data=self.call_data,
            write_backs=self.write_backs,
            header=auth_header,
            max_batch=max_batch,
            envelope=envelope,
        )
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
        return self._campaigns.dataset(vdn)

    def add_rows(self, vdn: int, rows: Iterable[Mapping[str, object]]) -> None:
        """Put rows in the vendor's spelling among those of a VDN; they are answered as given."""
        self.dataset(vdn).add(rows)

    def _respond(self, request: Request) -> tuple[Answer, Fault | None]:
        path, query = split_target(request.target)
        if path.startswith(control.PREFIX):
            if not control.is_local(request.client, request.headers.get("host", "")):
                return _LOOPBACK_ONLY, None
            return control.answer(self, request.method, path, request.body), None
        routed = route(path)
        if routed is None:
            return NOT_FOUND, None
        operation, vdn = routed
        fault = self.faults.take(operation)
        if operation in CAMPAIGNS:
            outcome = self._campaigns.answer(request, operation, path, vdn, query, fault)
        elif operation in BUSINESS:
            outcome = self._obs.answer(request, operation, query, fault)
        else:
            outcome = self._token_desk.answer(request, operation, query, fault)
        answer = outcome.answer if fault is None else replaced(outcome.answer, fault)
        if answer is not outcome.answer:
            outcome = replace(outcome, answer=answer, code=None)
        self._keep(request, operation, path, query, fault, outcome)
        return answer, fault

    def _keep(
        self,
        request: Request,
        operation: str,
        path: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
        outcome: Outcome,
    ) -> None:
        body, raw_body = kept_body(operation, request.body)
        unanswered = fault is not None and fault.kind in UNANSWERED
        vdn = body.get("vdnId") if isinstance(body, dict) and operation in BUSINESS else None
        self.calls.add(
            Call(
                number=self.calls.next_number(),
                operation=operation,
                method=request.method,
                path=path,
                vdn=outcome.vdn if vdn is None else str(vdn),
                query=tuple(query),
                body=body,
                raw_body=raw_body,
                headers=kept_headers(operation, request.headers),
                connection=request.connection,
                verified=outcome.verified,
                fault=fault.kind if fault else None,
                status=0 if unanswered else outcome.answer.status,
                code=None if unanswered else outcome.code,
            )
        )
