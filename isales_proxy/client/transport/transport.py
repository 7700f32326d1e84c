"""One call over HTTP: prove → send → read at most so many bytes → classify, again where it helps.

Each attempt is proved anew, and the bytes that were signed are the bytes that are sent. Everything
happens within one deadline, getting a token included. Neither redirects nor the environment
(proxies, ``.netrc``) can lead a request elsewhere. Nothing is logged here; the observer is told
what happened.
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
from .authenticators import Authenticator, Bearer, C2Signer, Proof
from .failures import HTTP_ERRORS, sending_failure
from .response_body import Answer, Received, open_answer, read_body, read_date
from .sessions import Adapter, PooledSession, SessionPool, tls_context

USER_AGENT = "callboard"
FIRST_WAIT = 0.1


@dataclass(slots=True, repr=False)
class _Call(Generic[P]):
    """One call, the same for all its attempts but for the proof, and its course so far: how many
    attempts, whether one of them may have reached the vendor, and the status of the good answer.

    The repr shows nothing, since headers and body of the token calls hold secrets.
    """

    operation: Operation[P]
    origin: Origin
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    hurried: bool
    keep: Callable[[Received], None] | None
    session: PooledSession
    request_id: str
    attempts: int = 0
    sent: bool = False
    status: int = 0


@dataclass(slots=True, kw_only=True)
class RetryPolicy:
    """Decides after each failed attempt of one call; given to stamina as its hook.

    ``left`` tells the seconds until the deadline, ``allowed`` whether the breaker would let
    another attempt through, ``rng`` gives numbers from 0 to 1. No wait is longer than
    ``longest``: a vendor that asks for more gets no second attempt but its error handed on.
    """

    left: Callable[[], float]
    allowed: Callable[[], bool]
    rng: Callable[[], float]
    longest: float
    failures: int = 0
    wait: float = 0.0
    """Seconds to wait before the attempt that was decided upon last."""

    def __call__(self, error: Exception) -> bool | float:
        """``False``: hand the error on. A number: try again.

        The number is always 0, for stamina can only sleep by the wall clock: `wait` holds the
        true wait, for the caller to sleep by its own clock.
        """
        if not isinstance(error, ISalesError) or not error.retryable or not self.allowed():
            return False
        # Half of the wait is chance, so that clients which failed together part ways.
        backoff = FIRST_WAIT * 2.0**self.failures * (0.5 + self.rng())
        wait = max(min(backoff, self.longest), error.retry_after or 0.0)
        if wait > self.longest or wait >= self.left():
            return False
        self.failures += 1
        self.wait = wait
        return 0.0


class Transport:
    """Makes calls to one CC-iSales. Safe for any number of threads; no call waits for another,
    but for the one that renews the token of all.

    ``clock`` gives aware datetimes for signatures and tokens, ``monotonic`` and ``sleep`` are in
    seconds, ``rng`` gives numbers from 0 to 1, ``store`` shares the token with other processes.
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
        self._sessions = SessionPool(tls_context(config.ca_bundle), monotonic)
        self._breakers = {op.name: self._new_breaker(op.name) for op in OPERATIONS}
        self._origins = {place: config.origin_of(place) for place in Endpoint}
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
        keep: Callable[[Received], None] | None = None,
    ) -> Answer[P]:
        """Make one call and open its envelope. Raises an `ISalesError`.

        ``query`` is raw and sent in its order; ``deadline`` is in seconds for all attempts and
        the waits between them. ``keep`` is given every answer of which anything came, before
        anything of it is judged; what it raises passes through.
        """
        origin = self._origins[operation.place]
        call = _Call(
            operation=operation,
            origin=origin,
            path=origin.prefix + operation.path_for(vdn=vdn),
            query=query,
            headers=headers or {},
            body=b"" if body is None else _serialise(body),
            hurried=deadline is not None,
            keep=keep,
            session=self._sessions.get_own(),
            request_id=uuid.uuid4().hex,
        )
        if deadline is None:
            deadline = self._config.deadline_of(patient=operation.patient)
        with call.session.budget.limit_to(deadline):
            try:
                return Answer(operation, self._proved(call), call.request_id, call.status)
            except ISalesError as error:
                # A token call in the midst of this one has told its own name already.
                error.operation = error.operation or operation.name
                error.request_id = error.request_id or call.request_id
                # Of a token call nothing reaches the vendor that anybody would miss.
                error.maybe_sent = call.sent and operation.auth is not AuthScheme.OPEN
                raise

    def token_state(self) -> TokenState | None:
        """The times of the OBS token in force, without a call."""
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

    def _proved(self, call: _Call[P]) -> P:
        """The attempts with one proof; and when it is refused, those left with a renewed one."""
        repeatable, left = call.operation.repeatable, call.session.budget.left
        authenticator = self._authenticators[call.operation.auth]
        # A token is got in the ordinary time, within a patient call too: others wait for it.
        spare = max(left() - self._config.deadline, 0.0)
        proof = authenticator.get_proof(lambda: left() - spare)
        most = self._config.attempts if repeatable else 1
        try:
            payload = self._attempts(call, proof, most)
        except CredentialsRefused as error:
            refused = error
        else:
            authenticator.accepted(proof)
            return payload
        renewed: Proof | None = None
        try:
            renewed = authenticator.renewed(proof, left)
        except ISalesError:
            # Here the refusal is the news; the next call meets the failure by itself.
            if repeatable:
                raise
        if renewed is None:
            raise refused
        if not repeatable:
            if refused.http_status != HTTPStatus.UNAUTHORIZED or not authenticator.ended(proof):
                raise refused
            raise TokenEnded(http_status=refused.http_status)
        # The refused attempt is not counted.
        return self._attempts(call, renewed, most - call.attempts + 1)

    def _attempts(self, call: _Call[P], proof: Proof, most: int) -> P:
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
            timeout=None,  # the policy minds the deadline, by our own clock
        ):
            with attempt:
                if policy.wait > 0:
                    self._sleep(policy.wait)
                return self._attempt(call, proof, breaker)
        raise AssertionError("stamina ends with an answer or an error")

    def _attempt(self, call: _Call[P], proof: Proof, breaker: Breaker) -> P:
        """One attempt, told to the breaker and the observer."""
        left = call.session.budget.left
        if left() <= 0:
            raise TimedOut("The time limit was reached before the call was made.", maybe_sent=False)
        ticket = breaker.before()
        call.attempts += 1
        name = call.operation.name
        started = self._monotonic()
        outcome = "error"
        status: int | None = None
        try:
            status, payload, date = self._exchange(call, proof)
        except ISalesError as error:
            outcome, status = error.outcome, error.http_status
            call.sent = call.sent or error.maybe_sent
            if isinstance(error, TimedOut) and call.hurried and left() <= 0:
                # The caller's own short time ran out, which says nothing about the vendor.
                breaker.abandon(ticket)
            elif isinstance(error, Unreachable | TimedOut):
                breaker.failure(ticket)
            else:
                breaker.neutral(ticket)
            raise
        except BaseException:
            breaker.abandon(ticket)
            raise
        else:
            outcome, call.status = "ok", status
            breaker.success(ticket)
            self.observer.answered(name, date=date, shape=payload.shape)
            return payload
        finally:
            seconds = self._monotonic() - started
            self.observer.called(
                Attempt(name, outcome, seconds, call.attempts, call.request_id, status)
            )

    def _exchange(self, call: _Call[P], proof: Proof) -> tuple[int, P, datetime | None]:
        """Send one request. Gives status, payload and the vendor's date of the answer."""
        if call.operation.repeatable:
            return self._exchange_by(call.session.adapter, call, proof)
        # On a kept connection, which a firewall may have reset unseen, a request can get lost that
        # may not be sent again: it has a connection of its own.
        with closing(call.session.new_adapter()) as adapter:
            return self._exchange_by(adapter, call, proof)

    def _exchange_by(
        self, adapter: Adapter, call: _Call[P], proof: Proof
    ) -> tuple[int, P, datetime | None]:
        operation, session = call.operation, call.session
        left = session.budget.left()
        timeout = (
            min(self._config.connect_timeout, left),
            min(self._config.read_timeout_of(patient=operation.patient), left),
        )
        request = _prepared(call, proof)
        failure: ISalesError | None = None
        session.trace.begin(record=call.keep is not None)
        try:
            response = adapter.send(request, stream=True, timeout=timeout)
        except HTTP_ERRORS as error:
            failure = sending_failure(error, spent=session.budget.left() <= 0)
            failure.maybe_sent = session.trace.sent
        recorded = session.trace.end()
        # Raised outside the handler: what was caught holds the request, and must not be carried
        # along as a context.
        if failure is not None:
            if call.keep is not None and recorded:
                call.keep(Received(0, recorded, complete=False, request_id=call.request_id))
            raise failure
        with response:
            status = response.status_code
            date = read_date(response.headers.get("Date"))
            read = partial(read_body, response, operation.max_bytes or self._config.max_bytes)
            try:
                if call.keep is not None:
                    came = read(whatever=True)
                    call.keep(Received(status, came[0], came[1] is None, call.request_id))
                    payload = open_answer(response, operation, lambda: came, now=self._clock())
                else:
                    payload = open_answer(response, operation, read, now=self._clock())
            except ISalesError as error:
                error.http_status, error.vendor_time = status, date
                if isinstance(error, Refused) and error.code is not None:
                    error.meaning = operation.meanings.get(error.code)
                raise
            return status, payload, date


def _prepared(call: _Call[P], proof: Proof) -> requests.PreparedRequest:
    """The request with its proof, ready to be sent as it is."""
    headers = {
        "Host": call.origin.host,
        "Content-Type": call.operation.content_type,
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # what is read is then what was bounded
        "User-Agent": USER_AGENT,
        **call.headers,
    }
    proved = proof(Request(call.operation.method, call.path, call.query, headers, call.body))
    query = "&".join(f"{percent(name)}={percent(value)}" for name, value in call.query)
    request = requests.PreparedRequest()
    request.method = call.operation.method
    request.url = f"{call.origin.base}{call.path}" + (f"?{query}" if query else "")
    request.headers = CaseInsensitiveDict({**headers, **proved})
    request.body = call.body or None
    if call.body or request.method == "POST":
        request.headers["Content-Length"] = str(len(call.body))
    return request


def _serialise(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()
