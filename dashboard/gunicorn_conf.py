"""The web server: threads in one process, or in WEB_CONCURRENCY of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http import message  # type: ignore[import-untyped]
from prometheus_client import multiprocess

from dashboard import env_file

env_file.load()


class PathLogger(Logger):  # type: ignore[misc]
    """Errors of a request with its path alone: its query may hold a called number."""

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Of a request that is no HTTP only that there was one: the rest quotes its first line."""
        if msg.startswith("Invalid request"):
            msg, args = "Invalid request: it is no HTTP.", ()
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Cut every argument that is an address at its question mark."""
        cut = [arg.partition("?")[0] if isinstance(arg, str) else arg for arg in args]
        super().exception(msg, *cut, **kwargs)


# Addresses of up to 8 kB are served, and htmx repeats them in its headers. Gunicorn has no setting
# between its own 8190 bytes and no bound at all.
_LONGEST = 16 * 1024
message.MAX_REQUEST_LINE = _LONGEST

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = 8
# A worker that shows no sign of life for so long is killed; its threads may wait longer, as they do
# for call data, while the worker itself goes on giving signs.
timeout = 60
# A request that waits for the vendor may finish; `run_stack` says how long that takes at most.
graceful_timeout = int(os.environ.get("CALLBOARD_GRACE_SECONDS", "62"))
keepalive = 30
limit_request_line = _LONGEST - 1
limit_request_field_size = _LONGEST
# Requests are logged by Django, without their queries.
accesslog = None
logger_class = PathLogger
loglevel = os.environ.get("GUNICORN_LOG_LEVEL", "warning")
control_socket_disable = True
# Headers are what a stranger likes to write: none of them moves our addresses.
forwarder_headers = ""
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a file of its own there


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Let go of the gauges of a worker that has ended."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
