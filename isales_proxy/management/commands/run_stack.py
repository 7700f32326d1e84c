"""`manage.py run_stack`: the whole product on this machine; behind `make run` and `make serve`."""

from __future__ import annotations

import errno
import hashlib
import http.client
import math
import os
import re
import shutil
import signal
import socket
import sys
from argparse import ArgumentParser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from isales_proxy.core import database
from isales_proxy.management.stop_request import STOPPING, ignore_signals
from isales_proxy.management.supervision import ChildFailed, Stopped, Supervisor
from isales_proxy.vendor import vendor_use

_SIMULATOR_LINE: Final = re.compile(r"\S.* on (http://\S+) ")
_PROBE_TIMEOUT_S: Final = 2.0
_LAST_PORT: Final = 65535
# Time for running requests at shutdown: in development as long as a person waits after Ctrl-C, in
# production the longest call to the vendor and the time to render the page.
_DEVELOPMENT_GRACE_S: Final = 3
_RENDER_S: Final = 2
# Time that the web server needs to exit after its grace period, before it is killed.
_EXIT_S: Final = 2
_WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound


@dataclass(frozen=True)
class CollectedState:
    """State of the static files: a digest of names, sizes, times and storage settings.

    They are collected only when it has changed, since compressing them is slow.
    """

    path: Path
    digest: str

    @classmethod
    def compute(cls) -> CollectedState:
        """Compute the state of the source files."""
        digest = hashlib.sha256(repr((settings.STATIC_URL, settings.STORAGES)).encode())
        for finder in get_finders():
            for name, storage in finder.list([]):
                found = Path(storage.path(name)).stat()
                digest.update(f"{name}|{found.st_size}|{found.st_mtime_ns}\n".encode())
        # Outside the folder, whose files are served.
        return cls(Path(settings.STATIC_ROOT).parent / "static-gathered", digest.hexdigest())

    def is_current(self) -> bool:
        """Return True if the files of this state were collected completely."""
        served = Path(settings.STATIC_ROOT).is_dir()
        return served and self.path.is_file() and self.path.read_text("ascii") == self.digest

    def save(self) -> None:
        """Record that the files were collected."""
        self.path.write_text(self.digest, "ascii")


class Command(BaseCommand):
    """Starts simulator, jobs and web server, and stops them together.

    Ctrl-C, SIGTERM or the exit of one of them stops all; the exit code is then 1 for such an exit.
    """

    help = "Run simulator (in demo mode), background jobs and web server until interrupted."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it like this

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="port on 127.0.0.1 (or PORT; default 8000)")
        parser.add_argument("--bind", help="host:port or unix:path (or BIND), for --production")
        parser.add_argument(
            "--production",
            action="store_true",
            help="no demo people; migrations are checked for, not made",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        self._production: bool = options["production"]
        bind = _get_bind_address(options)
        _ensure_free(bind, production=self._production)
        vendor_use.require_configured()
        connection.close()
        variables = _build_environment(bind, production=self._production)
        grace_s = _grace_s(production=self._production) + _EXIT_S
        try:
            with Supervisor(cwd=settings.BASE_DIR, env=variables, grace_s=grace_s) as supervisor:
                with suppress(Stopped):
                    self._run(supervisor, bind)
                self._say("\nStopping.")
        except ChildFailed as error:
            raise CommandError(f"{error}\nEverything else was stopped, too.") from None
        finally:
            # The supervisor has restored the handlers.
            ignore_signals((*STOPPING, signal.SIGHUP))

    def _run(self, supervisor: Supervisor, bind: str) -> None:
        demo = settings.ISALES.demo
        if demo and not settings.SIMULATOR_URL:
            self._start_simulator(supervisor)
        if self._production:
            supervisor.run("The system check", _manage("check", "--deploy"))
        state, collecting = CollectedState.compute(), None
        if not state.is_current():
            self._say("Gathering static files ...")
            command = _manage("collectstatic", "--noinput", "--clear", "--verbosity=0")
            collecting = supervisor.start("collectstatic", command, capture=True, quiet=True)
        logins = self._prepare_database(supervisor)
        if collecting is not None:
            supervisor.finish(collecting)
            state.save()
        supervisor.start("The job worker", _manage("run_huey", "--quiet"))
        supervisor.start("The mirror", _manage("run_mirror"))
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py"]
        supervisor.start("The web server", [*gunicorn, "dashboard.wsgi"])
        supervisor.wait_until(lambda: _is_responding(bind))
        where = bind if bind.startswith("unix:") else f"http://{bind}"
        whose = "a simulated CC-iSales" if demo else "the CC-iSales of ISALES_BASE_URL"
        self._say(f"\nCallboard runs on {where} with {whose}.")
        if logins.strip():
            self._say(f"\n{logins.rstrip()}")
        self._say("\nCtrl-C ends all of it.")
        supervisor.watch()

    def _start_simulator(self, supervisor: Supervisor) -> None:
        vdns = [part for seed in settings.ISALES.vdns for part in ("--vdn", str(seed.id))]
        child = supervisor.start("The simulator", _manage("run_simulator", *vdns), capture=True)
        found = _SIMULATOR_LINE.match(supervisor.read_first_line(child))
        if found is None:
            raise CommandError("The simulator did not say where it listens.")
        supervisor.set(CALLBOARD_SIMULATOR_URL=found[1])

    def _prepare_database(self, supervisor: Supervisor) -> str:
        """Migrate the database, create the demo people and return their log-ins.

        In production, only check that the database is migrated, and lock demo people out.
        """
        if not self._production:
            self._say("Preparing the database ...")
            migrate = _manage("migrate", "--noinput", "--verbosity=0")
            supervisor.run("The migration", migrate, quiet=True)
            return supervisor.run("The demo", _manage("demo"))
        if fault := database.describe_fault():
            raise CommandError(fault)
        connection.close()
        if settings.ISALES.demo:
            return ""
        return supervisor.run("demo --close", _manage("demo", "--close"))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", *arguments]


def _get_bind_address(options: dict[str, Any]) -> str:
    """Return the address on which the web server listens."""
    if options["production"]:
        return str(options["bind"] or os.environ.get("BIND") or "127.0.0.1:8000")
    port = str(options["port"] or os.environ.get("PORT") or 8000)
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= _LAST_PORT:
        raise CommandError("The port must be a number from 1 to 65535.")
    return f"127.0.0.1:{port}"


def _build_environment(bind: str, *, production: bool) -> dict[str, str]:
    """Return the environment of the children: ours with defaults for a server."""
    found = dict(os.environ) | {"BIND": bind}
    if production and settings.DEBUG and (found.get("DEBUG") or found.get("DEBUG_FILE")):
        raise CommandError(
            "A server does not run with DEBUG on: its pages would show settings and source to "
            "everybody. Set DEBUG=0 or leave it out."
        )
    found.setdefault("DEBUG", "0")
    if not found.get("SECRET_KEY") and not found.get("SECRET_KEY_FILE"):
        if production:
            raise CommandError("SECRET_KEY or SECRET_KEY_FILE is required for a server.")
        # The settings create this file when no key is given.
        found["SECRET_KEY_FILE"] = str(settings.VAR_DIR / "secret-key")
    if not production:
        found["WEB_CONCURRENCY"] = "1"
        # Log lines would hide the address and the log-ins in the terminal.
        found.setdefault("LOG_LEVEL", "ERROR")
    found["CALLBOARD_GRACE_SECONDS"] = str(_grace_s(production=production))
    # Web server and jobs share their metrics; those of an earlier run are deleted.
    shared = settings.VAR_DIR / "metrics" / re.sub(r"\W+", "-", bind).strip("-")
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    found["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
    return found


def _grace_s(*, production: bool) -> int:
    """Return how long running requests may take at shutdown."""
    if not production:
        return _DEVELOPMENT_GRACE_S
    return math.ceil(settings.ISALES.longest_call) + _RENDER_S


def _split_address(bind: str) -> tuple[str, int] | None:
    """Return host and port of a bind address; None for a Unix socket."""
    if bind.startswith("unix:"):
        return None
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdigit():
        raise CommandError(f"{bind} is no host:port.")
    return host.strip("[]"), int(port)


def _ensure_free(bind: str, *, production: bool) -> None:
    """Raise CommandError when the address is in use. A Unix socket without a server is reused."""
    address = _split_address(bind)
    if address is None:
        with socket.socket(socket.AF_UNIX) as trial, suppress(OSError):
            trial.connect(bind.removeprefix("unix:"))
            raise CommandError(
                f"Something listens on {bind} already. Stop it, or take another BIND."
            )
        return
    port = address[1]
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OverflowError:
            raise CommandError(f"Cannot listen on {bind}: no such port.") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"Cannot listen on {bind}: {error.strerror}.") from None
            other = port + 1 if port < _LAST_PORT else port - 1
            command = (
                f"BIND=127.0.0.1:{other} make serve" if production else f"PORT={other} make run"
            )
            raise CommandError(
                f"Port {port} is in use. Stop what listens there, or take another port: {command}"
            ) from None


def _is_responding(bind: str) -> bool:
    """Return True once the web server responds."""
    address = _split_address(bind)
    if address is None:
        return Path(bind.removeprefix("unix:")).exists()
    host = _WILDCARDS.get(address[0], address[0])
    probe = http.client.HTTPConnection(host, address[1], timeout=_PROBE_TIMEOUT_S)
    try:
        probe.request("GET", "/healthz")
        probe.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        probe.close()
    return True
