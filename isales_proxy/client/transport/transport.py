"""One call over HTTP: authenticate → send → read a bounded body → classify, with retries.

Each attempt is authenticated again, and the bytes that were signed are the bytes that are sent. One
deadline covers everything, including the renewal of a token. Neither redirects nor the environment
(proxies, ``.netrc``) can send a request elsewhere. Nothing is logged here; the observer is called.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, Self

import requests
import stamina
from requests.structures import CaseInsensitiveDict

from ..auth import Request, percent
from ..breaker import Breaker, State
from ..config import Endpoint, Origin, TransportConfig
from ..envelopes import P
from ..errors import (
    CredentialsRefused,
    ISalesError,
    Refused,
    TimedOut,
    TokenEnded,
    Unreachable,
)
from ..observer import Attempt, Observer
from ..operations import OPERATIONS, AuthScheme, Operation
from ..tokens import MemoryTokenStore, TokenState, TokenStore
from .authenticators import Authenticator, AuthHeaders, Bearer, C2Signer
from .failures import HTTP_ERRORS, classify_send_error
from .response_body import Answer, Received, decode_response, read_body, read_date
from .sessions import Adapter, PooledSession, SessionPool, create_tls_context

USER_AGENT = "callboard"
FIRST_WAIT_S = 0.1


@dataclass(slots=True, repr=False)
class _Call(Generic[P]):
    """One call with its state: number of attempts, whether one of them may have reached the vendor,
    and the HTTP status of the good answer.

    The repr shows nothing, since headers and body of the token calls hold secrets.
    """

    operation: Operation[P]
    origin: Origin
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    has_own_deadline: bool
    on_received: Callable[[Received], None] | None
    session: PooledSession
    request_id: str
    attempts: int = 0
    sent: bool = False
    status: int = 0


@dataclass(slots=True, kw_only=True)
class RetryPolicy:
    """Decides after each failed attempt of one call whether to retry; used as stamina's hook.

    ``left`` returns the seconds until the deadline, ``allowed`` whether the breaker would permit
    another attempt, ``rng`` numbers from 0 to 1. No wait is longer than ``longest``: when the
    vendor asks for a longer one, its error is raised.
    """

    left: Callable[[], float]
    allowed: Callable[[], bool]
    rng: Callable[[], float]
    longest: float
    failures: int = 0
    wait: float = 0.0
    """Seconds to wait before the next attempt."""

    def __call__(self, error: Exception) -> bool | float:
        """Return ``False`` to raise the error, 0 to try again.

        stamina can only sleep by the wall clock, so it is told 0; the caller sleeps for `wait`.
        """
        if not isinstance(error, ISalesError) or not error.retryable or not self.allowed():
            return False
        # With jitter, so that clients that failed together do not retry together.
        backoff = FIRST_WAIT_S * 2.0**self.failures * (0.5 + self.rng())
        wait = max(min(backoff, self.longest), error.retry_after or 0.0)
        if wait > self.longest or wait >= self.left():
            return False
        self.failures += 1
        self.wait = wait
        return 0.0


class Transport:
    """Makes calls to one CC-iSales. Safe for any number of threads; calls wait for each other only
    while a token is renewed.

    ``clock`` returns aware datetimes for signatures and tokens, ``monotonic`` and ``sleep`` are in
    seconds, ``rng`` returns numbers from 0 to 1, ``store`` shares the token with other processes.
    Raises `ValueError` when the CA bundle cannot be read.
    """

    def __init__(
        self,
        config: TransportConfig,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: Callable[[], float] = random.random,
        observer: Observer | None = None,
        store: TokenStore | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self.observer = observer or Observer()
        self._sessions = SessionPool(create_tls_context(config.ca_bundle), monotonic)
        self._breakers = {op.name: self._new_breaker(op.name) for op in OPERATIONS}
        self._origins = {endpoint: config.origin_of(endpoint) for endpoint in Endpoint}
        self._bearer = Bearer(
            config.obs, store=store or MemoryTokenStore(), call=self.call, clock=clock, sleep=sleep
        )
        self._authenticators: Mapping[AuthScheme, Authenticator] = {
            AuthScheme.C2: C2Signer(config.credentials, clock),
            AuthScheme.BEARER: self._bearer,
            AuthScheme.OPEN: Authenticator(),
        }

    def call(
        self,
        operation: Operation[P],
        *,
        vdn: int | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        on_received: Callable[[Received], None] | None = None,
    ) -> Answer[P]:
        """Make one call and open its envelope. Raises an `ISalesError`.

        ``query`` is raw and sent in its order; ``deadline`` is in seconds for all attempts and
        the waits between them. ``on_received`` is called with every answer of which any
        bytes arrived, before it is decoded; its exceptions pass through.
        """
        origin = self._origins[operation.endpoint]
        call = _Call(
            operation=operation,
            origin=origin,
            path=origin.prefix + operation.path_for(vdn=vdn),
            query=query,
            headers=headers or {},
            body=b"" if body is None else _serialise(body),
            has_own_deadline=deadline is not None,
            on_received=on_received,
            session=self._sessions.get_own(),
            request_id=uuid.uuid4().hex,
        )
        if deadline is None:
            deadline = self._config.deadline_of(slow=operation.slow)
        with call.session.budget.limit_to(deadline):
            try:
                return Answer(
                    operation, self._authenticate_and_send(call), call.request_id, call.status
                )
            except ISalesError as error:
                # A token call within this one has set its own name.
                error.operation = error.operation or operation.name
                error.request_id = error.request_id or call.request_id
                # A token call changes nothing at the vendor.
                error.maybe_sent = call.sent and operation.auth is not AuthScheme.OPEN
                raise

    def token_state(self) -> TokenState | None:
        """Return the times of the current OBS token, without a call."""
        return self._bearer.state()

    def close(self) -> None:
        """Close the idle connections of all threads. Calls may still follow; they connect anew."""
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_breaker(self, name: str) -> Breaker:
        return Breaker(
            clock=self._monotonic,
            threshold=self._config.breaker_threshold,
            cooldown=self._config.breaker_cooldown,
            on_change=lambda state: self.observer.breaker(name, state.value),
        )

    def _authenticate_and_send(self, call: _Call[P]) -> P:
        """Make the attempts; if the credentials are refused, the rest of them with renewed ones."""
        repeatable, left = call.operation.repeatable, call.session.budget.left
        authenticator = self._authenticators[call.operation.auth]
        # The ordinary deadline holds for a token even within a slow call: other calls wait for it.
        spare = max(left() - self._config.deadline, 0.0)
        auth = authenticator.get_headers(lambda: left() - spare)
        most = self._config.attempts if repeatable else 1
        try:
            payload = self._send_with_retries(call, auth, most)
        except CredentialsRefused as error:
            refused = error
        else:
            authenticator.record_accepted(auth)
            return payload
        renewed: AuthHeaders | None = None
        try:
            renewed = authenticator.renew(auth, left)
        except ISalesError:
            # Report the refusal rather than the failed renewal, which the next call will meet.
            if repeatable:
                raise
        if renewed is None:
            raise refused
        if not repeatable:
            if refused.http_status != HTTPStatus.UNAUTHORIZED or not authenticator.has_expired(
                auth
            ):
                raise refused
            raise TokenEnded(http_status=refused.http_status)
        # The refused attempt is not counted.
        return self._send_with_retries(call, renewed, most - call.attempts + 1)

    def _send_with_retries(self, call: _Call[P], auth: AuthHeaders, most: int) -> P:
        breaker = self._breakers[call.operation.name]
        policy = RetryPolicy(
            left=call.session.budget.left,
            allowed=lambda: breaker.state is State.CLOSED,
            rng=self._rng,
            longest=self._config.max_retry_wait,
        )
        for attempt in stamina.retry_context(
            on=policy,
            attempts=most,
            timeout=None,  # the policy observes the deadline by our own clock
        ):
            with attempt:
                if policy.wait > 0:
                    self._sleep(policy.wait)
                return self._send_once(call, auth, breaker)
        raise AssertionError("stamina ends with an answer or an error")

    def _send_once(self, call: _Call[P], auth: AuthHeaders, breaker: Breaker) -> P:
        """Make one attempt and report it to the breaker and the observer."""
        left = call.session.budget.left
        if left() <= 0:
            raise TimedOut("The time limit was reached before the call was made.", maybe_sent=False)
        permit = breaker.acquire()
        call.attempts += 1
        name = call.operation.name
        started = self._monotonic()
        outcome = "error"
        status: int | None = None
        try:
            status, payload, date = self._exchange(call, auth)
        except ISalesError as error:
            outcome, status = error.outcome, error.http_status
            call.sent = call.sent or error.maybe_sent
            if isinstance(error, TimedOut) and call.has_own_deadline and left() <= 0:
                # The caller's own deadline passed, which says nothing about the vendor.
                breaker.release(permit)
            elif isinstance(error, Unreachable | TimedOut):
                breaker.record_failure(permit)
            else:
                breaker.record_neutral(permit)
            raise
        except BaseException:
            breaker.release(permit)
            raise
        else:
            outcome, call.status = "ok", status
            breaker.record_success(permit)
            self.observer.answered(name, date=date, shape=payload.shape)
            return payload
        finally:
            seconds = self._monotonic() - started
            self.observer.called(
                Attempt(name, outcome, seconds, call.attempts, call.request_id, status)
            )

    def _exchange(self, call: _Call[P], auth: AuthHeaders) -> tuple[int, P, datetime | None]:
        """Send one request; return status, payload and the vendor's date of the answer."""
        if call.operation.repeatable:
            return self._exchange_over(call.session.adapter, call, auth)
        # A firewall may have dropped a kept connection silently. A request that cannot be repeated
        # gets a new connection.
        with closing(call.session.new_adapter()) as adapter:
            return self._exchange_over(adapter, call, auth)

    def _exchange_over(
        self, adapter: Adapter, call: _Call[P], auth: AuthHeaders
    ) -> tuple[int, P, datetime | None]:
        operation, session = call.operation, call.session
        left = session.budget.left()
        timeout = (
            min(self._config.connect_timeout, left),
            min(self._config.read_timeout_of(slow=operation.slow), left),
        )
        request = _prepare(call, auth)
        failure: ISalesError | None = None
        session.trace.begin(record=call.on_received is not None)
        try:
            response = adapter.send(request, stream=True, timeout=timeout)
        except HTTP_ERRORS as error:
            failure = classify_send_error(error, out_of_time=session.budget.left() <= 0)
            failure.maybe_sent = session.trace.sent
        recorded = session.trace.end()
        # Raised outside the handler: the caught error holds the request, which must not become the
        # context of ours.
        if failure is not None:
            if call.on_received is not None and recorded:
                call.on_received(Received(0, recorded, complete=False, request_id=call.request_id))
            raise failure
        with response:
            status = response.status_code
            date = read_date(response.headers.get("Date"))
            read = partial(read_body, response, operation.max_bytes or self._config.max_bytes)
            try:
                if call.on_received is not None:
                    received = read(even_too_large=True)
                    call.on_received(
                        Received(status, received[0], received[1] is None, call.request_id)
                    )
                    payload = decode_response(
                        response, operation, lambda: received, now=self._clock()
                    )
                else:
                    payload = decode_response(response, operation, read, now=self._clock())
            except ISalesError as error:
                error.http_status, error.vendor_time = status, date
                if isinstance(error, Refused) and error.code is not None:
                    error.meaning = operation.meanings.get(error.code)
                raise
            return status, payload, date


def _prepare(call: _Call[P], auth: AuthHeaders) -> requests.PreparedRequest:
    """Build the authenticated request, ready to be sent."""
    headers = {
        "Host": call.origin.host,
        "Content-Type": call.operation.content_type,
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # the size limit holds for the body as sent
        "User-Agent": USER_AGENT,
        **call.headers,
    }
    authentication = auth(Request(call.operation.method, call.path, call.query, headers, call.body))
    query = "&".join(f"{percent(name)}={percent(value)}" for name, value in call.query)
    request = requests.PreparedRequest()
    request.method = call.operation.method
    request.url = f"{call.origin.base}{call.path}" + (f"?{query}" if query else "")
    request.headers = CaseInsensitiveDict({**headers, **authentication})
    request.body = call.body or None
    if call.body or request.method == "POST":
        request.headers["Content-Length"] = str(len(call.body))
    return request


def _serialise(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()
