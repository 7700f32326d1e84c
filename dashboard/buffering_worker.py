"""Gunicorn worker whose threads get only requests that have arrived completely: docs/adr/0016.

Gunicorn manages the processes: it binds, forks, restarts and stops them. In each of them waitress
reads requests and sends answers in one thread for all connections, and passes complete requests to
the threads that run Django. A slow client costs a socket, not a thread. This module adds deadlines,
a limit for the body, a bounded queue (docs/adr/0019), and a graceful end of the worker.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from django.conf import settings
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import RequestEntityTooLarge

# Seconds, by the state of a connection (`Channel._get_state`).
DEADLINES: Final = {
    # The rest of a header, or the first byte of the first request.
    "header": 10,
    "body": 30,
    # The client does not read an answer that is ready.
    "answer": 30,
    # The rest of a refused body: if the connection closed at once, the client would not see the
    # refusal.
    "refused": 10,
}
# Room for a request line and a Referer or HX-Current-URL of 16 kB each, and cookies.
MAX_HEADER_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 64 * 1024
# Seconds for which a stopping worker keeps connections without a whole request.
_LINGER_S: Final = 2
_POLL_S: Final = 0.5
# At the limit of open connections this fraction is closed: the oldest without a whole request.
_CLOSED_FRACTION: Final = 10
# Requests that may wait per thread; any more are refused at once. At eight threads and 20 pages a
# second the last one waits five seconds.
_MAX_WAITING_PER_THREAD: Final = 12
# Answered by a thread of its own: monitoring must not take a full queue for a failure.
_URGENT_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
QUEUE_FULL: Final = "callboard.queue_full"

WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


class RequestParser(HTTPRequestParser):
    """Waitress's parser, which also refuses requests that two servers may read differently."""

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header. Raises ParsingError if the length of the body is ambiguous."""
        super().parse_header(header_plus)
        # Waitress removes this header from HTTP/1.1 requests.
        if "TRANSFER_ENCODING" in self.headers or (
            self.chunked and "CONTENT_LENGTH" in self.headers
        ):
            raise ParsingError("The length of the body is ambiguous.")


class ApplicationTask(WSGITask):
    """One request that Django answers."""

    def start(self) -> None:
        """Announce the end of the connection if the worker is stopping."""
        super().start()
        if self.channel.server.stopping:
            self.set_close_on_finish()

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment; `QUEUE_FULL` tells Django to refuse the request."""
        environ: dict[str, Any] = super().get_environment()
        environ[QUEUE_FULL] = self.channel.queue_full
        return environ

    def build_response_header(self) -> bytes:
        """Return the header. An answer to HEAD has no chunks, so no last one either."""
        header = bytes(super().build_response_header())
        if self.request.command == "HEAD":
            self.chunked_response = False
        return header

    def set_close_on_finish(self) -> None:
        """Close the connection after this answer, unless waitress wants that only because the
        answer has no body: a list that is refreshed is mostly answered by 304."""
        closes = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or self.version != "1.1" or closes:
            super().set_close_on_finish()


class TooLargeTask(ApplicationTask):
    """One request with a refused body: Django answers it, as a page or as problem+json."""

    def start(self) -> None:
        """Drop the received part of the body, keep its length, and end the connection."""
        super().start()
        self.set_close_on_finish()
        if self.request.chunked:
            self.request.headers["CONTENT_LENGTH"] = str(self.request.body_bytes_received)
        self.request.close()
        self.request.body_rcv = None


class Channel(HTTPChannel):
    """One connection; it has waited in its present state since `since` (seconds, monotonic)."""

    task_class = ApplicationTask
    parser_class = RequestParser

    # The next request is to be answered by a 503.
    queue_full = False
    since = 0.0
    _refused = False
    _draining = False
    _had_request = False
    _waiting: tuple[object, ...] = ()

    @staticmethod
    def error_task_class(channel: Channel, request: Any) -> Task:
        """Create the task of a request that the parser refused."""
        channel._refused = True
        too_large = isinstance(request.error, RequestEntityTooLarge)
        return (TooLargeTask if too_large else ErrorTask)(channel, request)

    def check_deadline(self, now: float, *, keep_alive: float) -> None:
        """Close the connection if its deadline has passed; both in seconds, `now` monotonic."""
        state = self._get_state()
        if state != self._waiting:
            self._waiting, self.since = state, now
        deadline = keep_alive if state[0] == "idle" else DEADLINES.get(state[0])
        if deadline is not None and now - self.since >= deadline:
            self.will_close = True

    def note_request(self) -> None:
        """Start the deadline anew: a whole request has arrived."""
        self._had_request, self._waiting = True, ()

    @property
    def is_busy(self) -> bool:
        """Tell whether a whole request or a part of its answer is still here."""
        return self._get_state()[0] in {"work", "answer"}

    def _get_state(self) -> tuple[str, object]:
        """Return what the connection waits for, and its progress: a request, or bytes left."""
        if self._draining:
            return "refused", None
        if self.requests:
            if self.total_outbufs_len > self.adj.outbuf_high_watermark:
                # The thread waits for the client, too.
                return "answer", self.total_outbufs_len
            return "work", self.requests[0]
        if self.total_outbufs_len:
            return "answer", self.total_outbufs_len
        if self.request is not None:
            return ("body" if self.request.headers_finished else "header"), self.request
        return ("idle" if self._had_request else "header"), None

    def readable(self) -> bool:
        """Tell whether to read bytes, those of a refused body included."""
        return self._draining or bool(super().readable())

    def handle_read(self) -> None:
        """Read bytes; discard them after a refusal."""
        if not self._draining:
            super().handle_read()
            return
        with suppress(BlockingIOError):
            self.recv(_CHUNK_BYTES)

    def handle_close(self) -> None:
        """Close; after a refusal only our side, until the client has read it or its time is up."""
        if self._refused and self.connected and not self._draining:
            self._draining, self.will_close = True, False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()


class Dispatcher(ThreadedTaskDispatcher):
    """Threads for pages with a bounded queue, and one more for refusals and monitoring."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.set_thread_count(count)
        self._urgent = ThreadedTaskDispatcher()
        self._urgent.set_thread_count(1)
        self._max_waiting = count * _MAX_WAITING_PER_THREAD

    def add_task(self, task: Channel) -> None:
        """Queue a connection, or have its request refused if too many wait."""
        task.note_request()
        request = task.requests[0]
        # A request that could not be parsed has no path.
        is_urgent = request.error is not None or request.path in _URGENT_PATHS
        task.queue_full = not is_urgent and len(self.queue) >= self._max_waiting
        if is_urgent or task.queue_full:
            self._urgent.add_task(task)
        else:
            super().add_task(task)

    @property
    def is_idle(self) -> bool:
        """Tell whether no request waits or is being answered."""
        return not any(each.queue or each.active_count for each in (self, self._urgent))


class _Server:
    """Settings of both kinds of server."""

    channel_class = Channel
    stopping = False

    def maintenance(self, now: float) -> None:
        """Do nothing: the worker checks deadlines by a monotonic clock."""


class TcpServer(_Server, TcpWSGIServer):
    """Listens on a host and port."""


class UnixServer(_Server, UnixWSGIServer):
    """Listens on a socket in the file system, whose clients have no address."""

    def fix_addr(self, _addr: object) -> tuple[str, None]:
        return "", None


class BufferingWorker(Worker):
    """Gunicorn's worker: one thread for all connections, and the threads of a `Dispatcher`."""

    _checked_at = 0.0

    def run(self) -> None:
        """Serve until the worker is stopped, then until the requests under way are answered."""
        connections: dict[int, Any] = {}
        dispatcher = Dispatcher(self.cfg.threads)
        servers = [self._listen(each.sock, connections, dispatcher) for each in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._poll(servers, connections)
        for server in servers:
            server.stopping = True
            server.del_channel()
            server.socket.close()
        stopped_at = time.monotonic()
        while (waited_s := time.monotonic() - stopped_at) < self.cfg.graceful_timeout:
            channels = _list_channels(servers)
            # The work goes on even if the client that asked for it has gone.
            if not channels and dispatcher.is_idle:
                break
            if waited_s >= _LINGER_S:
                _close(channel for channel in channels if not channel.is_busy)
            self._poll(servers, connections)

    def _listen(
        self, listener: socket.socket, connections: dict[int, Any], dispatcher: Dispatcher
    ) -> Any:
        adjustments = Adjustments(
            sockets=[listener],
            threads=self.cfg.threads,
            backlog=self.cfg.backlog,
            connection_limit=self.cfg.worker_connections,
            max_request_header_size=MAX_HEADER_BYTES,
            # Waitress refuses a body that is as long as its limit.
            max_request_body_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1,
            inbuf_overflow=_CHUNK_BYTES,
            # Django decides which headers of a proxy it trusts.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
            ident="",
        )
        server_class = UnixServer if listener.family == socket.AF_UNIX else TcpServer
        return server_class(
            _without_body_for_head(self.wsgi),
            connections,
            True,
            listener,
            dispatcher=dispatcher,
            adj=adjustments,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )

    def _poll(self, servers: list[Any], connections: dict[int, Any]) -> None:
        """Read and write what is ready; check deadlines each second, and at the limit always."""
        now = time.monotonic()
        is_full = any(server.in_connection_overflow for server in servers)
        if is_full or now - self._checked_at >= 1:
            self._checked_at = now
            self.notify()
            channels = _list_channels(servers)
            for channel in channels:
                channel.check_deadline(now, keep_alive=self.cfg.keepalive)
            if is_full:
                waiting = [channel for channel in channels if not channel.is_busy]
                waiting.sort(key=lambda channel: channel.since)
                _close(waiting[: self.cfg.worker_connections // _CLOSED_FRACTION])
        wasyncore.poll2(_POLL_S, connections)


def _list_channels(servers: list[Any]) -> list[Channel]:
    return [channel for server in servers for channel in list(server.active_channels.values())]


def _close(channels: Iterable[Channel]) -> None:
    for channel in channels:
        channel.will_close = True


def _without_body_for_head(application: WSGIApplication) -> WSGIApplication:
    """Answer HEAD with the header alone, which waitress leaves to the application."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if hasattr(body, "close"):
            body.close()
        return []

    return answer
