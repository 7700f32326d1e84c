"""Calls to the provider of single sign-on, which must not hold up anybody else.

Two at once in a process, each with a deadline; after three failures in a row an address is left
alone for half a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from isales_proxy.client.breaker import Breaker
from isales_proxy.client.errors import CircuitOpen

# Seconds.
DEADLINE: float = 8.0
_TIMEOUTS: Final = (3.0, 5.0)
_PATIENCE: Final = 1.0
_COOLDOWN: Final = 30.0
_AT_ONCE: Final = 2
_FAILURES: Final = 3
_LONGEST: Final = 1_000_000
_PIECE: Final = 16 * 1024

_slots = BoundedSemaphore(_AT_ONCE)
# One for each address that is asked: one that hangs must not be forgiven for another that answers.
_breakers: dict[str, Breaker] = {}


def forget() -> None:
    """Begin anew: no call is under way and none has failed."""
    global _slots
    _slots = BoundedSemaphore(_AT_ONCE)
    _breakers.clear()


def limit_session(session: Any) -> Any:
    """Return the session of `requests` with these bounds on each request.

    Requests raise OAuth2Error where the provider is not asked or does not answer in time.
    """
    plain = session.request

    def request(method: str, url: str, **options: Any) -> Any:
        options |= {"timeout": _TIMEOUTS, "stream": True, "allow_redirects": False}
        return _call(url.partition("?")[0], lambda: _read(plain(method, url, **options)))

    session.request = request
    return session


def _call(address: str, send: Callable[[], Any]) -> Any:
    slots = _slots
    breaker = _breakers.setdefault(
        address, Breaker(clock=time.monotonic, threshold=_FAILURES, cooldown=_COOLDOWN)
    )
    try:
        permit = breaker.before()
    except CircuitOpen:
        raise OAuth2Error("The provider failed just now and is left alone for a moment.") from None
    if not slots.acquire(timeout=_PATIENCE):
        breaker.neutral(permit)
        raise OAuth2Error("The provider is slow: other calls to it are under way.")
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(send())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            found.append(error)
        finally:
            slots.release()

    # A thread of its own, since a provider that sends a byte now and then meets no timeout.
    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(DEADLINE)
    answer = found[0] if found else TimeoutError("deadline")
    if isinstance(answer, Exception):
        breaker.failure(permit)
        raise OAuth2Error(f"The provider did not answer: {type(answer).__name__}")
    if answer.status_code >= 500:
        breaker.failure(permit)
    else:
        breaker.success(permit)
    return answer


def _read(answer: Any) -> Any:
    """Read the body of the answer. Raises ValueError beyond a bound."""
    body = bytearray()
    for piece in answer.iter_content(_PIECE):
        body += piece
        if len(body) > _LONGEST:
            answer.close()
            raise ValueError("too long")
    answer._content = bytes(body)  # noqa: SLF001 - there is no public way
    return answer
