"""Calls to the provider of single sign-on, limited so that a slow provider does not block others.

There are at most two at a time in a process, each with a deadline. After three failures in a row an
address is not called for half a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from isales_proxy.client.breaker import Breaker
from isales_proxy.client.errors import CircuitOpen

DEADLINE_S: float = 8.0
_TIMEOUTS_S: Final = (3.0, 5.0)
_MAX_WAIT_S: Final = 1.0
_COOLDOWN_S: Final = 30.0
_MAX_CALLS: Final = 2
_MAX_FAILURES: Final = 3
_MAX_BYTES: Final = 1_000_000
_CHUNK_BYTES: Final = 16 * 1024

_slots = BoundedSemaphore(_MAX_CALLS)
# One for each address, since they may fail separately.
_breakers: dict[str, Breaker] = {}


def forget() -> None:
    """Forget all calls and failures."""
    global _slots
    _slots = BoundedSemaphore(_MAX_CALLS)
    _breakers.clear()


def limit_session(session: Any) -> Any:
    """Limit the requests of a session of `requests`.

    They raise OAuth2Error if the provider is not called or does not answer in time.
    """
    plain = session.request

    def request(method: str, url: str, **options: Any) -> Any:
        options |= {"timeout": _TIMEOUTS_S, "stream": True, "allow_redirects": False}
        return _call(url.partition("?")[0], lambda: _read(plain(method, url, **options)))

    session.request = request
    return session


def _call(address: str, send: Callable[[], Any]) -> Any:
    slots = _slots
    breaker = _breakers.setdefault(
        address, Breaker(clock=time.monotonic, threshold=_MAX_FAILURES, cooldown=_COOLDOWN_S)
    )
    try:
        permit = breaker.acquire()
    except CircuitOpen:
        raise OAuth2Error("The provider has failed and is not called for a while.") from None
    if not slots.acquire(timeout=_MAX_WAIT_S):
        breaker.record_neutral(permit)
        raise OAuth2Error("The provider is slow: other calls to it are under way.")
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(send())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            found.append(error)
        finally:
            slots.release()

    # In a thread, since a provider that sends a byte now and then causes no timeout.
    worker = Thread(target=work, daemon=True)
    worker.start()
    worker.join(DEADLINE_S)
    answer = found[0] if found else TimeoutError("deadline")
    if isinstance(answer, Exception):
        breaker.record_failure(permit)
        raise OAuth2Error(f"The provider did not answer: {type(answer).__name__}")
    if answer.status_code >= 500:
        breaker.record_failure(permit)
    else:
        breaker.record_success(permit)
    return answer


def _read(answer: Any) -> Any:
    """Read the body of a response. Raises ValueError if it is too large."""
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > _MAX_BYTES:
            answer.close()
            raise ValueError("too long")
    answer._content = bytes(body)  # noqa: SLF001 - there is no public way
    return answer
