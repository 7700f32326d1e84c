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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import requests
import stamina
from requests.structures import CaseInsensitiveDict

from ..auth import percent
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
from ..observer import Attempt, Observer, SilentObserver
from ..operations import OPERATIONS, AuthScheme, Operation
from ..tokens import MemoryTokenStore, TokenState, TokenStore
from .authenticators import Authenticator, Bearer, C2Signer, Open, Outgoing, Proof
from .failures import HTTP_ERRORS, sending_failure
from .response_body import Answer, Received, open_answer, read_body, read_date
from .retry import RetryPolicy
from .sessions import Adapter, PooledSession, SessionPool, tls_context

USER_AGENT = "callboard"


@dataclass(frozen=True, slots=True)
class _Call(Generic[P]):
    """One call, the same for all its attempts but for the proof."""

    operation: Operation[P]
    request_id: str
    origin: Origin
    path: str
    query: tuple[tuple[str, str], ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hurried: bool
    keep: Callable[[Received], None] | None


@dataclass(slots=True)
class _Course:
    """Course of a call so far: its attempts, whether one of them may have reached the vendor, and
    the status of the good answer."""

    attempts: int = 0
    sent: bool = False
    status: int = 0


class Transport:
    """Makes calls to one CC-iSales. Safe for any number of threads; no call waits for another,
    but for the one that renews the token of all.

    ``clock`` gives aware datetimes for signatures and tokens, ``monotonic`` and ``sleep`` are in
    seconds, ``rng`` gives numbers from 0 to 1, ``shelf`` shares the token with other processes.
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
        shelf: TokenStore | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self.observer: Observer = observer or SilentObserver()
        self._lanes = SessionPool(tls_context(config.ca_bundle), monotonic)
        self._breakers = {op.name: self._new_breaker(op.name) for op in OPERATIONS}
        self._origins = {place: config.origin_of(place) for place in Endpoint}
        self._bearer = Bearer(
            config.obs, shelf=shelf or MemoryTokenStore(), call=self.call, clock=clock, sleep=sleep
        )
        self._authenticators: Mapping[AuthScheme, Authenticator] = {
            AuthScheme.C2: C2Signer(config.credentials, clock),
            AuthScheme.BEARER: self._bearer,
            AuthScheme.OPEN: Open(),
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
            request_id=uuid.uuid4().hex,
            origin=origin,
            path=origin.prefix + operation.path_for(vdn=vdn),
            query=tuple(query),
            headers=headers or {},
            body=b"" if body is None else _serialise(body),
            hurried=deadline is not None,
            keep=keep,
        )
        lane = self._lanes.get_own()
        course = _Course()
        usual = self._config.deadline_of(patient=operation.patient)
        with lane.budget.limit_to(_first(deadline, usual)):
            try:
                payload = self._proved(call, lane, course)
                return Answer(payload, call.request_id, course.status)
            except ISalesError as error:
                # A token call in the midst of this one has told its own name already.
                error.operation = error.operation or operation.name
                error.request_id = error.request_id or call.request_id
                # Of a token call nothing reaches the vendor that anybody would miss.
                error.maybe_sent = course.sent and operation.auth is not AuthScheme.OPEN
                raise

    def token_state(self) -> TokenState | None:
        """The times of the OBS token in force, without a call."""
        return self._bearer.state()

    def close(self) -> None:
        """Close the idle connections of all threads. Calls may still follow; they connect anew."""
        self._lanes.close()

    def _new_breaker(self, name: str) -> Breaker:
        return Breaker(
            clock=self._monotonic,
            threshold=self._config.breaker_threshold,
            cooldown=self._config.breaker_cooldown,
            on_change=lambda state: self.observer.breaker(name, state.value),
        )

    def _proved(self, call: _Call[P], lane: PooledSession, course: _Course) -> P:
        """The attempts with one proof; and when it is refused, those left with a renewed one."""
        repeatable = call.operation.repeatable
        authenticator = self._authenticators[call.operation.auth]
        # A token is got in the ordinary time, within a patient call too: others wait for it.
        spare = max(lane.budget.left() - self._config.deadline, 0.0)
        proof = authenticator.get_proof(lambda: lane.budget.left() - spare)
        most = self._config.attempts if repeatable else 1
        try:
            payload = self._attempts(call, proof, lane, course, most)
            authenticator.accepted(proof)
        except CredentialsRefused as error:
            refused = error
        else:
            return payload
        renewed: Proof | None = None
        try:
            renewed = authenticator.renewed(proof, lane.budget.left)
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
        return self._attempts(call, renewed, lane, course, most - course.attempts + 1)

    def _attempts(
        self, call: _Call[P], proof: Proof, lane: PooledSession, course: _Course, most: int
    ) -> P:
        breaker = self._breakers[call.operation.name]
        policy = RetryPolicy(
            left=lane.budget.left,
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
                return self._attempt(call, proof, lane, breaker, course)
        raise AssertionError("stamina ends with an answer or an error")

    def _attempt(
        self, call: _Call[P], proof: Proof, lane: PooledSession, breaker: Breaker, course: _Course
    ) -> P:
        """One attempt, told to the breaker and the observer."""
        if lane.budget.left() <= 0:
            raise TimedOut("The time limit was reached before the call was made.", maybe_sent=False)
        ticket = breaker.before()
        course.attempts += 1
        name = call.operation.name
        started = self._monotonic()
        outcome = "error"
        status: int | None = None
        try:
            status, payload, date = self._exchange(call, proof, lane)
        except ISalesError as error:
            outcome, status = error.outcome, error.http_status
            course.sent = course.sent or error.maybe_sent
            if isinstance(error, TimedOut) and call.hurried and lane.budget.left() <= 0:
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
            outcome, course.status = "ok", status
            breaker.success(ticket)
            self.observer.answered(name, date=date, shape=payload.shape)
            return payload
        finally:
            seconds = self._monotonic() - started
            self.observer.called(
                Attempt(name, outcome, seconds, course.attempts, call.request_id, status)
            )

    def _exchange(
        self, call: _Call[P], proof: Proof, lane: PooledSession
    ) -> tuple[int, P, datetime | None]:
        """Send one request, over a connection of its own where the operation wants that.

        Gives status, payload and the vendor's date of the answer.
        """
        if not call.operation.fresh_connection:
            return self._exchange_by(lane.adapter, call, proof, lane)
        with closing(lane.new_adapter()) as adapter:
            return self._exchange_by(adapter, call, proof, lane)

    def _exchange_by(
        self, adapter: Adapter, call: _Call[P], proof: Proof, lane: PooledSession
    ) -> tuple[int, P, datetime | None]:
        operation = call.operation
        left = lane.budget.left()
        timeout = (
            min(self._config.connect_timeout, left),
            min(self._config.read_timeout_of(patient=operation.patient), left),
        )
        request = _prepared(call, proof)
        failure: ISalesError | None = None
        lane.trace.begin(record=call.keep is not None)
        try:
            response = adapter.send(request, stream=True, timeout=timeout)
        except HTTP_ERRORS as error:
            failure = sending_failure(error, spent=lane.budget.left() <= 0)
            failure.maybe_sent = lane.trace.sent
        recorded = lane.trace.end()
        # Raised outside the handler: what was caught holds the request, and must not be carried
        # along as a context.
        if failure is not None:
            if call.keep is not None and recorded:
                call.keep(Received(0, recorded, complete=False, request_id=call.request_id))
            raise failure
        with response:
            status = response.status_code
            date = read_date(response.headers.get("Date"))
            try:
                read = self._reader(response, call)
                payload = open_answer(response, operation, read, now=self._clock())
            except ISalesError as error:
                error.http_status, error.vendor_time = status, date
                if isinstance(error, Refused) and error.code is not None:
                    error.meaning = operation.meanings.get(error.code)
                raise
            return status, payload, date

    def _reader(self, response: requests.Response, call: _Call[P]) -> Callable[[], bytes]:
        """Gives the body or raises why not; where it is to be kept, it is read and kept already."""
        limit = _first(call.operation.max_bytes, self._config.max_bytes)

        def read() -> bytes:
            body, failure = came if came is not None else read_body(response, limit)
            if failure is not None:
                raise failure
            return body

        came: tuple[bytes, ISalesError | None] | None = None
        if call.keep is not None:
            came = read_body(response, limit, whatever=True)
            call.keep(Received(response.status_code, came[0], came[1] is None, call.request_id))
        return read


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
    proved = proof(Outgoing(call.operation.method, call.path, call.query, headers, call.body))
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


N = TypeVar("N", int, float)


def _first(*values: N | None) -> N:
    return next(value for value in values if value is not None)
