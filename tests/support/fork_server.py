"""Program: fork the product's processes on request, with the libraries loaded once.

None of the product's settings is loaded here: each fork reads its own environment, as a new
interpreter would, for a fifth of the time. Runs until its standard input ends; requests come over
the Unix socket whose file descriptor is the argument.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from typing import Any

LIBRARIES = (
    *("cryptography.x509", "csp.constants", "environs", "gunicorn.app.wsgiapp", "huey.api"),
    *("django.core.handlers.wsgi", "django.core.management", "django.db.backends.postgresql.base"),
    *("django.contrib.auth.hashers", "django.db.backends.sqlite3.base", "django.db.models"),
    *("django.forms", "django.template.backends.django", "django.template.backends.jinja2"),
    *("jwt", "psycopg", "pydantic", "redis", "requests", "rest_framework.fields", "stamina"),
    *("structlog", "whitenoise.middleware", "xlsxwriter"),
    *("django.contrib.auth.password_validation", "django.contrib.sessions.backends.cached_db"),
    *("django.core.management.commands.migrate", "drf_spectacular.utils", "fido2.server"),
    *("pydantic.type_adapter", "rest_framework.authentication", "rest_framework.metadata"),
    # Of the product, what reads neither settings nor the environment while it is imported.
    *("dashboard.logs", "isales_proxy.client.client", "isales_proxy.core.form_fields"),
    *("isales_proxy.core.signed_pickle", "isales_proxy.privacy.erased_fields"),
    *("isales_proxy.reservations.query", "isales_proxy.simulator"),
)


def serve(listener: socket.socket) -> dict[str, Any]:
    """Fork for each request until standard input ends; return the request in its fork."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        _reap()
        if listener not in ready:
            os._exit(0)
        connection, _address = listener.accept()
        if not os.fork():
            listener.close()
            return _fork_and_wait(connection)
        connection.close()


def _reap() -> None:
    """Collect the forks that have ended, so that their CPU time counts for this process."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork_and_wait(connection: socket.socket) -> dict[str, Any]:
    """Fork the process that was asked for, and report its number and its exit status."""
    text, streams, _flags, _address = socket.recv_fds(connection, 1 << 20, 3)
    begun, begin = os.pipe()
    pid = os.fork()
    if not pid:
        connection.close()
        os.setsid()
        os.close(begun)
        os.close(begin)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        request: dict[str, Any] = json.loads(text)
        return request
    for stream in streams:
        os.close(stream)
    os.close(begin)
    # Nobody learns the number before there is a session of that number to be killed.
    os.read(begun, 1)
    connection.send(str(pid).encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.send(str(code).encode())
    os._exit(0)


def run(command: list[str], env: dict[str, str]) -> None:
    """Run what `python <command>` would, with this environment."""
    os.environ.clear()
    os.environ.update(env)
    for action in filter(None, env.get("PYTHONWARNINGS", "").split(",")):
        warnings.simplefilter(action)  # type: ignore[arg-type]
    option, *rest = command
    if option == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    elif option == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    assert "dashboard.settings" not in sys.modules
    assert "dashboard.environment" not in sys.modules
    # It decides by the environment where its values are kept.
    assert "prometheus_client" not in sys.modules
    # What is loaded stays as it is: no fork looks through it for garbage.
    gc.freeze()
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    run(wanted["command"], wanted["env"])
