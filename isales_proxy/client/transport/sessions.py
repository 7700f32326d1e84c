"""A session for each thread: pooled, verified, deaf to the environment, bound to the deadline."""

from __future__ import annotations

import os
import ssl
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from ..config import Endpoint
from .connections import Budget, Trace, pool_classes


@dataclass(frozen=True, slots=True)
class PooledSession:
    """The resources of one thread: a session of its own, the time its call has left, its trace.

    ``new_session`` makes another one, for a call that must not use a kept connection.
    """

    session: requests.Session
    new_session: Callable[[], requests.Session]
    budget: Budget
    trace: Trace
    pid: int


class SessionPool:
    """A lane for each thread."""

    def __init__(self, tls: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        self._tls = tls
        self._monotonic = monotonic
        self._local = threading.local()
        self._lock = threading.Lock()
        # Weak, so that a thread's connections go when the thread goes.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def mine(self) -> PooledSession:
        """The lane of the calling thread."""
        lane: PooledSession | None = getattr(self._local, "lane", None)
        # After a fork the sockets of this thread's lane belong to the parent too.
        if lane is None or lane.pid != os.getpid():
            budget, trace = Budget(self._monotonic), Trace()
            new_session = partial(_Session, self._tls, budget, trace)
            lane = PooledSession(new_session(), new_session, budget, trace, os.getpid())
            self._local.lane = lane
            with self._lock:
                self._sessions.add(lane.session)
        return lane

    def close(self) -> None:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()


class _Session(requests.Session):
    """A session that follows no redirect and heeds no environment."""

    def __init__(self, tls: ssl.SSLContext, budget: Budget, trace: Trace) -> None:
        super().__init__()
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(tls, budget, trace))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, ever: even with redirects off, requests reads the whole body of one."""


class _Adapter(HTTPAdapter):
    """Verifies by our own TLS context and keeps a connection to each place, bound to the budget."""

    def __init__(self, tls: ssl.SSLContext, budget: Budget, trace: Trace) -> None:
        self._tls = tls
        self._budget = budget
        self._trace = trace
        super().__init__(pool_connections=len(Endpoint), pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._budget, self._trace)

    def cert_verify(self, conn: Any, *_: object) -> None:
        """Verification is that of the TLS context; requests would add a bundle of its own."""
        conn.cert_reqs = "CERT_REQUIRED"


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Verifies certificate and host name, TLS 1.2 or newer, by the bundle or the system's store."""
    try:
        if ca_bundle is None:
            return _by_the_system()
        if Path(ca_bundle).is_dir():
            context = ssl.create_default_context(capath=ca_bundle)
        else:
            context = ssl.create_default_context(cafile=ca_bundle)
    except OSError:
        raise ValueError("ca_bundle cannot be read as certificates in PEM") from None
    return _modern(context)


@cache
def _by_the_system() -> ssl.SSLContext:
    """One for all clients of a process: to read the system's store takes some 50 ms."""
    return _modern(ssl.create_default_context())


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
