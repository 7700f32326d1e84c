"""Connections of each thread: kept alive, verified, and independent of the environment."""

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
from .connections import Budget, Trace, create_pool_classes


class PooledSession:
    """The resources of one thread: its connections, and time budget and trace of its call.

    ``new_adapter`` creates an adapter for a call that must not use a kept connection.
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
        # Weak, so that a thread's connections are closed when it ends.
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
    """Sends prepared requests over kept connections, verified by our own TLS context.

    It is used without a `requests.Session`, which would read the environment, follow redirects and
    keep cookies, and would cost a millisecond per call.
    """

    def __init__(self, tls: ssl.SSLContext, budget: Budget, trace: Trace) -> None:
        self._tls = tls
        self._budget = budget
        self._trace = trace
        self._pools: dict[str, HTTPConnectionPool] = {}
        super().__init__(pool_connections=len(Endpoint), pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = create_pool_classes(self._budget, self._trace)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: object, **_more: object
    ) -> HTTPConnectionPool:
        """Return the pool of connections to the origin of a request."""
        url = request.url or ""
        origin = url[: url.index("/", len("https://"))]
        pool = self._pools.get(origin)
        if pool is None:
            required = {"cert_reqs": "CERT_REQUIRED"}
            pool = self.poolmanager.connection_from_url(url, pool_kwargs=required)
            self._pools[origin] = pool
        return pool

    def cert_verify(self, conn: Any, *_: object) -> None:
        """Leave verification to the TLS context; requests would add its own CA bundle."""
        conn.cert_reqs = "CERT_REQUIRED"

    def request_url(self, request: requests.PreparedRequest, *_: object) -> str:
        """Return path and query, since there is no proxy."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Build a response without cookies."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw, response.request = resp, req
        return response

    def close(self) -> None:
        """Close idle connections; the next request opens a new one."""
        self._pools.clear()
        super().close()


def create_tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Create a context that verifies certificates by the bundle or the system's store.

    Raises `ValueError` when the bundle cannot be read.
    """
    try:
        if ca_bundle is None:
            return _create_system_context()
        if Path(ca_bundle).is_dir():
            context = ssl.create_default_context(capath=ca_bundle)
        else:
            context = ssl.create_default_context(cafile=ca_bundle)
    except OSError:
        raise ValueError("ca_bundle cannot be read as certificates in PEM") from None
    return _require_tls_1_2(context)


@cache
def _create_system_context() -> ssl.SSLContext:
    """Cached, since reading the system's store takes about 50 ms."""
    return _require_tls_1_2(ssl.create_default_context())


def _require_tls_1_2(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
