"""Gunicorn configuration: threads in WEB_CONCURRENCY processes."""

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
# A person who waits for a page gets the 503 of a busy database soon.
raw_env = ["CALLBOARD_DATABASE_WAIT_SECONDS=2"]
worker_class = "dashboard.buffering_worker.BufferingWorker"
threads = int(os.environ.get("WEB_THREADS", "8"))
# Connections per process; each takes a file descriptor, and one more for a large body.
worker_connections = 400
# Seconds after which a worker that hangs is killed. Its threads may wait longer, for call data for
# instance, since the worker itself goes on reporting.
timeout = 60
# Time for requests that wait for the vendor to finish; `run_stack` sets it to their longest.
graceful_timeout = int(os.environ.get("CALLBOARD_GRACE_SECONDS", "62"))
keepalive = 30
# Django logs requests, without their queries.
accesslog = None
loglevel = os.environ.get("GUNICORN_LOG_LEVEL", "warning")
control_socket_disable = True
# Clients must not move our addresses by a SCRIPT_NAME header.
forwarder_headers = ""
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn creates a private file there


def post_worker_init(worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Exclude loaded modules from garbage collection, which would scan all of Django every few
    pages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Remove the gauges of a worker that has ended."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
