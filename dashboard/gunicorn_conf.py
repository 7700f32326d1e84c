"""The web server: threads in one process, or in WEB_CONCURRENCY of them."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess

from dashboard.environment.variables import load_env_file

load_env_file()

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
# Whoever waits for a page is told soon that somebody else is writing.
raw_env = ["CALLBOARD_DATABASE_WAIT_SECONDS=2"]
# Spends no thread on a slow client; see there.
worker_class = "dashboard.buffering_worker.BufferingWorker"
threads = int(os.environ.get("WEB_THREADS", "8"))
# Open at once in each process; each takes a file descriptor, and one more for a large body.
worker_connections = 400
# A worker that shows no sign of life for so long is killed; its threads may wait longer, as they do
# for call data, while the worker itself goes on giving signs.
timeout = 60
# A request that waits for the vendor may finish; `run_stack` says how long that takes at most.
graceful_timeout = int(os.environ.get("CALLBOARD_GRACE_SECONDS", "62"))
keepalive = 30
# Requests are logged by Django, without their queries.
accesslog = None
loglevel = os.environ.get("GUNICORN_LOG_LEVEL", "warning")
control_socket_disable = True
# Headers are what a stranger likes to write: none of them moves our addresses.
forwarder_headers = ""
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a file of its own there


def post_worker_init(worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Spare the collector what stays: it would look through all of Django every few pages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Let go of the gauges of a worker that has ended."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
