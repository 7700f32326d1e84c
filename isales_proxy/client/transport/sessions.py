"""Connections for each thread: kept, verified, deaf to the environment, bound to the deadline."""

from __future__ import annotations

import os
import ssl
import threading
import weakref
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool

from ..config import Endpoint
from .connections import Budget, Trace, pool_classes


class PooledSession:
    """The resources of one thread: connections of its own, the time its call has left, its trace.

    ``new_adapter`` makes another one, for a call that must not use a kept connection.
    """

    def __init__(self, tls: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        self.budget, self.trace = Budget(monotonic), Trace()
        self.new_adapter = partial(Adapter, tls, self.budget, self.trace)
        self.adapter = self.new_adapter()
        self.pid = os.getpid()


class SessionPool:
    """A session for each thread."""

    def __init__(self, tls: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        self._tls = tls
        self._monotonic = monotonic
        self._local = threading.local()
        self._lock = threading.Lock()
        # Weak, so that a thread's connections go when the thread goes.
        self._adapters: weakref.WeakSet[Adapter] = weakref.WeakSet()

    def get_own(self) -> PooledSession:
        """Return the session of the calling thread."""
        session: PooledSession | None = getattr(self._local, "session", None)
        # After a fork the sockets of this thread's session belong to the parent too.
        if session is None or session.pid != os.getpid():
            session = self._local.session = PooledSession(self._tls, self._monotonic)
            with self._lock:
                self._adapters.add(session.adapter)
        return session

    def close(self) -> None:
        with self._lock:
            adapters = list(self._adapters)
        for adapter in adapters:
            adapter.close()


class Adapter(HTTPAdapter):
    """Sends requests that are prepared to the byte, over kept connections bound to the budget.

    Verifies by our own TLS context. There is no session around it: it would read the environment,
    follow redirects and keep cookies, all of which we do without, at a millisecond a call.
    """

    def __init__(self, tls: ssl.SSLContext, budget: Budget, trace: Trace) -> None:
        self._tls = tls
        self._budget = budget
        self._trace = trace
        self._pools: dict[str, HTTPConnectionPool] = {}
        super().__init__(pool_connections=len(Endpoint), pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._budget, self._trace)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: object, **_more: object
    ) -> HTTPConnectionPool:
        """The connections to the place of a request."""
        url = request.url or ""
        place = url[: url.index("/", len("https://"))]
        pool = self._pools.get(place)
        if pool is None:
            required = {"cert_reqs": "CERT_REQUIRED"}
            pool = self.poolmanager.connection_from_url(url, pool_kwargs=required)
            self._pools[place] = pool
        return pool

    def cert_verify(self, conn: Any, *_: object) -> None:
        """Verification is that of the TLS context; requests would add a bundle of its own."""
        conn.cert_reqs = "CERT_REQUIRED"

    def request_url(self, request: requests.PreparedRequest, *_: object) -> str:
        """Path and query: there is no proxy."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Status, headers and the body to be read; no cookies."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw, response.request = resp, req
        return response

    def close(self) -> None:
        """Close idle connections; the next request connects anew."""
        self._pools.clear()
        super().close()


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
