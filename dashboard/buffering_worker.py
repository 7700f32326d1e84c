"""Gunicorn worker that spends a thread on whole requests alone. See docs/adr/0016.

Gunicorn keeps the processes: it binds, forks, restarts and stops them. Inside each, waitress reads
requests and sends answers in one thread for all connections, and hands only requests that have
arrived to their last byte to the threads that run Django. A slow client costs a socket, not a
thread. What is added here are deadlines, a bound for the body, and the end of a worker.
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

# Seconds, by what a connection waits for.
DEADLINES: Final = {
    # The rest of a header, or the first byte of the first request.
    "header": 10,
    "body": 30,
    # The client takes nothing of an answer that is ready.
    "answer": 30,
    # The end of a body that was refused; cut off at once, the client would not see the refusal.
    "refused": 10,
}
# Together: a line and a Referer or HX-Current-URL of 16 kB each, and cookies.
LONGEST_HEADER: Final = 64 * 1024
# A stopping worker keeps a connection without a whole request so long, in seconds.
_LINGER: Final = 2
_TURN_SECONDS: Final = 0.5
# Where as many connections are open as may be, this part of them is closed: the oldest of those
# that have brought no whole request.
_SHARE: Final = 10
_CHUNK: Final = 64 * 1024

WSGIApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


# Requests that wait for a thread, for each thread; beyond that one is refused at once. At eight
# threads and 20 pages a second the last of them waits five seconds.
_WAITING_PER_THREAD: Final = 12
# Answered by a thread of its own: who watches the server must not take a queue for a failure.
_URGENT: Final = frozenset({"/healthz", "/readyz", "/metrics"})
QUEUE_FULL: Final = "callboard.queue_full"


class RequestParser(HTTPRequestParser):
    """Waitress's parser, which besides refuses what two servers may read in two ways."""

    def parse_header(self, header_plus: bytes) -> None:
        """Parse line and header. Raises ParsingError where they leave the body's length open."""
        super().parse_header(header_plus)
        # Of HTTP/1.1 waitress has taken it out.
        if "TRANSFER_ENCODING" in self.headers or (
            self.chunked and "CONTENT_LENGTH" in self.headers
        ):
            raise ParsingError("The length of the body is ambiguous.")


class ApplicationTask(WSGITask):
    """One request that Django answers."""

    _keeps = False

    def start(self) -> None:
        """Announce the end of the connection where the worker is stopping."""
        super().start()
        if self.channel.server.stopping:
            self.set_close_on_finish()

    def get_environment(self) -> dict[str, Any]:
        """The WSGI environment, with no address for a connection by a socket in the file system."""
        environ: dict[str, Any] = super().get_environment()
        environ[QUEUE_FULL] = self.channel.queue_full
        if self.channel.server.family not in {socket.AF_INET, socket.AF_INET6}:
            environ["REMOTE_ADDR"] = ""
        return environ

    def build_response_header(self) -> bytes:
        """The header. Waitress would close the connection after each answer without a body, and a
        list that is refreshed is mostly answered by 304.
        """
        asked = self.request.headers.get("CONNECTION", "").lower()
        self._keeps = not self.has_body and self.version == "1.1" and asked != "close"
        try:
            return bytes(super().build_response_header())
        finally:
            self._keeps = False

    def set_close_on_finish(self) -> None:
        """Announce the end of the connection."""
        if not self._keeps:
            super().set_close_on_finish()

    def finish(self) -> None:
        """End the answer; that to HEAD has no body that could end."""
        if self.request.command == "HEAD":
            if not self.wrote_header:
                self.write(b"")
            self.chunked_response = False
        super().finish()


class TooLargeTask(ApplicationTask):
    """One request whose body was refused: Django says so, in its own pages and documents."""

    def start(self) -> None:
        """Drop what has arrived of the body, keep its length, and end the connection."""
        super().start()
        self.set_close_on_finish()
        if self.request.chunked:
            self.request.headers["CONTENT_LENGTH"] = str(self.request.body_bytes_received)
        self.request.close()
        self.request.body_rcv = None


def _error_task(channel: Channel, request: Any) -> Task:
    channel.refused = True
    too_large = isinstance(request.error, RequestEntityTooLarge)
    return (TooLargeTask if too_large else ErrorTask)(channel, request)


class Channel(HTTPChannel):
    """One connection, and since when it has waited for what it waits for."""

    task_class = ApplicationTask
    error_task_class = staticmethod(_error_task)
    parser_class = RequestParser

    refused = False
    # The request that is next is to be answered by a 503.
    queue_full = False
    _draining = False
    _answered = False
    _waiting: tuple[object, ...] = ()
    since = 0.0

    def look(self, now: float, *, keep_alive: float) -> None:
        """Close the connection if its deadline has passed; `now` in seconds, monotonic."""
        kind, of = self._state()
        if (kind, of) != self._waiting:
            self._waiting, self.since = (kind, of), now
        longest = keep_alive if kind == "idle" else DEADLINES.get(kind)
        if longest is not None and now - self.since >= longest:
            self.will_close = True

    def note_request(self) -> None:
        """Note that a whole request is here: its deadline begins anew, however short it is."""
        self.queue_full = False
        self._answered, self._waiting = True, ()

    @property
    def is_busy(self) -> bool:
        """Tell whether a whole request or a part of its answer is still here."""
        return self._state()[0] in {"work", "answer"}

    def _state(self) -> tuple[str, object]:
        """Return what the connection waits for, and of which request or at which byte."""
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
        return ("idle" if self._answered else "header"), None

    def readable(self) -> bool:
        """Tell whether bytes are wanted, those of a refused body included."""
        return self._draining or bool(super().readable())

    def handle_read(self) -> None:
        """Take bytes, to throw them away after a refusal."""
        if not self._draining:
            super().handle_read()
            return
        with suppress(BlockingIOError):
            self.recv(_CHUNK)

    def handle_close(self) -> None:
        """Close; after a refusal only for us, until the client has read it or time is over."""
        if self.refused and self.connected and not self._draining:
            self._draining, self.will_close = True, False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()


class _Threads(ThreadedTaskDispatcher):
    """Threads with a queue; does not log its length."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.set_thread_count(count)

    def add_task(self, task: Channel) -> None:
        """Queue a connection whose first request is whole."""
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing waits and nothing is under way."""
        return not self.queue and not self.active_count


class Dispatcher:
    """Threads for pages, whose queue is bounded, and one for refusals and for who watches us."""

    def __init__(self, count: int) -> None:
        self._pages = _Threads(count)
        self._prompt = _Threads(1)
        self._most = count * _WAITING_PER_THREAD

    def add_task(self, task: Channel) -> None:
        """Queue a connection, or have its request refused where too many wait."""
        task.note_request()
        request = task.requests[0]
        # One that could not be parsed has no path.
        if request.error is not None or request.path in _URGENT:
            self._prompt.add_task(task)
        elif len(self._pages.queue) < self._most:
            self._pages.add_task(task)
        else:
            task.queue_full = True
            self._prompt.add_task(task)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing waits and nothing is under way."""
        return self._pages.is_idle and self._prompt.is_idle


class _Listening:
    """Listening that both kinds of server share."""

    channel_class = Channel
    stopping = False

    def maintenance(self, now: float) -> None:
        """Do nothing: the worker looks after deadlines, by a clock that cannot be set."""


class TcpServer(_Listening, TcpWSGIServer):
    """Listens on a host and port."""


class UnixServer(_Listening, UnixWSGIServer):
    """Listens on a socket in the file system."""


class BufferingWorker(Worker):
    """See the module."""

    _looked = 0.0

    def run(self) -> None:
        """Serve until the end is asked for, then until what was begun is answered."""
        connections: dict[int, Any] = {}
        threads = Dispatcher(self.cfg.threads)
        servers = [self._listen(each.sock, connections, threads) for each in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn(servers, connections)
        for server in servers:
            server.stopping = True
            server.del_channel()
            server.socket.close()
        began = time.monotonic()
        while (waited := time.monotonic() - began) < self.cfg.graceful_timeout:
            channels = [channel for server in servers for channel in _channels(server)]
            # A client that went away does not end the work that it asked for.
            if not channels and threads.is_idle:
                break
            if waited >= _LINGER:
                _close(channel for channel in channels if not channel.is_busy)
            self._turn(servers, connections)

    def _listen(
        self, listener: socket.socket, connections: dict[int, Any], threads: Dispatcher
    ) -> Any:
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        adjustments = Adjustments(
            sockets=[listener],
            threads=self.cfg.threads,
            backlog=self.cfg.backlog,
            connection_limit=self.cfg.worker_connections,
            max_request_header_size=LONGEST_HEADER,
            # Waitress refuses a body that is as long as its bound.
            max_request_body_size=most + 1,
            inbuf_overflow=_CHUNK,
            # Django knows which of a proxy's headers it believes.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
            ident="",
        )
        kind = UnixServer if listener.family == socket.AF_UNIX else TcpServer
        return kind(
            _without_body_for_head(self.wsgi),
            connections,
            True,
            listener,
            dispatcher=threads,
            adj=adjustments,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )

    def _turn(self, servers: list[Any], connections: dict[int, Any]) -> None:
        """Read and write what can be, and look after deadlines each second."""
        now = time.monotonic()
        full = any(server.in_connection_overflow for server in servers)
        if full or now - self._looked >= 1:
            self._looked = now
            self.notify()
            channels = [channel for server in servers for channel in _channels(server)]
            for channel in channels:
                channel.look(now, keep_alive=self.cfg.keepalive)
            if full:
                waiting = [channel for channel in channels if not channel.is_busy]
                waiting.sort(key=lambda channel: channel.since)
                _close(waiting[: self.cfg.worker_connections // _SHARE])
        wasyncore.poll2(_TURN_SECONDS, connections)


def _channels(server: Any) -> list[Channel]:
    return list(server.active_channels.values())


def _close(channels: Iterable[Channel]) -> None:
    for channel in channels:
        channel.will_close = True


def _without_body_for_head(application: WSGIApplication) -> WSGIApplication:
    """Answer HEAD with the header alone, which waitress leaves to the application."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return found
        close = getattr(found, "close", None)
        if close is not None:
            close()
        return []

    return answer
