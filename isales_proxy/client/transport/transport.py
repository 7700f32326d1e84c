"""One call over HTTP: sign → send → read at most so many bytes → classify, again where it helps.

Each attempt is signed anew, and the bytes that were signed are the bytes that are sent. Everything
happens within one deadline. Neither redirects nor the environment (proxies, ``.netrc``) can lead
a signed request elsewhere. Nothing is logged here; the observer is told what happened.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
import stamina

from ..auth import c2_header, percent
from ..breaker import Breaker, State
from ..config import TransportConfig
from ..envelopes import Payload, read_refusal
from ..errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    Refused,
    Throttled,
    TimedOut,
    Unreachable,
)
from ..observer import Observer, SilentObserver
from ..operations import OPERATIONS, Operation
from .failures import HTTP_ERRORS, reading_failure, sending_failure
from .retry import RetryPolicy, read_retry_after
from .sessions import Lane, Lanes, tls_context

CONTENT_TYPE = "application/json; charset=UTF-8"
USER_AGENT = "callboard"

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation's envelope held, and the request id of the call that fetched it."""

    payload: Payload
    request_id: str


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, the same for all its attempts but for the signature."""

    operation: Operation
    request_id: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    hurried: bool


class Transport:
    """Makes calls to one CC-iSales. Safe for any number of threads; no call waits for another.

    ``clock`` gives aware datetimes for the signature, ``monotonic`` and ``sleep`` are in seconds,
    ``rng`` gives numbers from 0 to 1. Raises `ValueError` when the CA bundle cannot be read.
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
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self.observer: Observer = observer or SilentObserver()
        self._lanes = Lanes(tls_context(config.ca_bundle), monotonic)
        self._breakers = {op.name: self._new_breaker(op.name) for op in OPERATIONS}

    def call(
        self,
        operation: Operation,
        *,
        vdn: int,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Make one call and open its envelope. Raises an `ISalesError`.

        ``query`` is raw and sent in its order; ``deadline`` is in seconds for all attempts and
        the waits between them.
        """
        call = _Call(
            operation=operation,
            request_id=uuid.uuid4().hex,
            path=self._config.path_prefix + operation.path_for(vdn=vdn),
            query=tuple(query),
            headers=dict(headers or {}),
            body=b"" if body is None else _serialise(body),
            hurried=deadline is not None,
        )
        lane = self._lanes.mine()
        lane.budget.start(_first(deadline, operation.deadline, self._config.deadline))
        breaker = self._breakers[operation.name]
        policy = RetryPolicy(
            left=lane.budget.left,
            allowed=lambda: breaker.state is State.CLOSED,
            rng=self._rng,
            longest=self._config.max_retry_wait,
        )
        try:
            for attempt in stamina.retry_context(
                on=policy,
                attempts=self._config.attempts if operation.repeatable else 1,
                timeout=None,  # the policy minds the deadline, by our own clock
            ):
                with attempt:
                    if policy.wait > 0:
                        self._sleep(policy.wait)
                    payload = self._attempt(call, lane, breaker, attempt.num)
                    return Answer(payload, call.request_id)
        except ISalesError as error:
            error.operation = operation.name
            error.request_id = call.request_id
            raise
        raise AssertionError("stamina ends with an answer or an error")

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

    def _attempt(self, call: _Call, lane: Lane, breaker: Breaker, number: int) -> Payload:
        """One attempt, told to the breaker and the observer."""
        if lane.budget.left() <= 0:
            raise TimedOut("The time for the call was spent before it was made.")
        ticket = breaker.before()
        started = self._monotonic()
        outcome = "error"
        status: int | None = None
        try:
            status, payload = self._exchange(call, lane)
        except ISalesError as error:
            outcome, status = error.outcome, error.http_status
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
            outcome = "ok"
            breaker.success(ticket)
            return payload
        finally:
            seconds = self._monotonic() - started
            self.observer.called(
                call.operation.name, outcome, seconds, number, call.request_id, status
            )

    def _exchange(self, call: _Call, lane: Lane) -> tuple[int, Payload]:
        operation = call.operation
        left = lane.budget.left()
        timeout = (
            min(_first(operation.connect_timeout, self._config.connect_timeout), left),
            min(_first(operation.read_timeout, self._config.read_timeout), left),
        )
        request = self._signed(call)
        failure: ISalesError | None = None
        try:
            response = lane.session.send(
                request, stream=True, allow_redirects=False, timeout=timeout, verify=True
            )
        except HTTP_ERRORS as error:
            failure = sending_failure(error, spent=lane.budget.left() <= 0)
        # Raised outside the handler: what was caught holds the request, and must not be carried
        # along as a context.
        if failure is not None:
            raise failure
        with response:
            status = response.status_code
            try:
                self._check_status(response, call)
                payload = operation.envelope.decode(self._read(response, operation))
            except ISalesError as error:
                error.http_status = status
                if isinstance(error, Refused) and error.code is not None:
                    error.meaning = operation.meanings.get(error.code)
                raise
        return status, payload

    def _signed(self, call: _Call) -> requests.PreparedRequest:
        operation = call.operation
        headers = {
            "Host": self._config.host,
            "Content-Type": CONTENT_TYPE,
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # what is read is then what was bounded
            "User-Agent": USER_AGENT,
            **call.headers,
        }
        headers["Authorization"] = c2_header(
            method=operation.method,
            path=call.path,
            query=call.query,
            headers=headers,
            body=call.body,
            access_key=self._config.credentials.access_key,
            secret_key=self._config.credentials.secret_key,
            now=self._clock(),
        )
        query = "&".join(f"{percent(name)}={percent(value)}" for name, value in call.query)
        request = requests.PreparedRequest()
        request.prepare(
            method=operation.method,
            url=f"{self._config.origin}{call.path}" + (f"?{query}" if query else ""),
            headers=headers,
            data=call.body or None,
        )
        return request

    def _check_status(self, response: requests.Response, call: _Call) -> None:
        """Raises the error that belongs to any status but 2xx."""
        status = response.status_code
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise Unreachable("CC-iSales answers with a redirect.", retryable=False)
        if status in (401, 403):
            raise CredentialsRefused
        retry_after = read_retry_after(response.headers.get("Retry-After"), self._clock())
        if status == 429:
            raise Throttled(retry_after=retry_after)
        if status >= 500:
            raise Unreachable("CC-iSales has a failure of its own.", retry_after=retry_after)
        if status < 200:
            raise BadAnswer("The answer has an unexpected status.")
        try:
            code, vendor_sentence = read_refusal(self._read(response, call.operation))
        except BadAnswer:
            code, vendor_sentence = None, ""
        raise Refused(code=code, vendor_sentence=vendor_sentence)

    def _read(self, response: requests.Response, operation: Operation) -> bytes:
        """The body, as sent. Raises `BadAnswer` when it is too large or ends early."""
        limit = _first(operation.max_bytes, self._config.max_bytes)
        declared = response.headers.get("Content-Length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
            raise BadAnswer("The answer is larger than allowed.")
        body = bytearray()
        failure: ISalesError | None = None
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=False):
                body += chunk
                if len(body) > limit:
                    raise BadAnswer("The answer is larger than allowed.")
        except HTTP_ERRORS as error:
            failure = reading_failure(error)
        if failure is not None:
            raise failure
        return bytes(body)


def _serialise(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


N = TypeVar("N", int, float)


def _first(*values: N | None) -> N:
    return next(value for value in values if value is not None)
