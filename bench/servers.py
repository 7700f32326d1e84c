"""The processes of a run: vendor stub, the product, the peers and nginx.

Everything measured runs on one core; the stub and the clients, which the bench itself is, on
another one where there is one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Final

import requests

from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY

ROOT: Final = Path(__file__).resolve().parents[1]
VAR: Final = ROOT / "var" / "bench"
_PERSON: Final = "bench"
_PASSWORD: Final = "a-password-of-the-bench"  # noqa: S105 - opens invented rows on loopback
_PATIENCE: Final = 30.0
# Its lists come from the mirror; the first VDN's come from the vendor.
MIRROR_VDN: Final = 89
MIRROR_ROWS: Final = 100_000


@dataclass(frozen=True)
class Stack:
    """Addresses (`host:port`), cookies and process IDs of what runs. "" or 0 where it is absent."""

    vendor: str
    product: str
    product_cookie: str
    worker: int
    jobs: int
    peers: str
    peers_cookie: str
    peers_worker: int
    nginx: str
    nginx_worker: int
    env: dict[str, str]

    def set_vendor(self, **fields: float) -> None:
        """Set `latency_ms` and `rows` of the vendor stub."""
        line = HTTPConnection(self.vendor, timeout=_PATIENCE)
        line.request("POST", "/control", json.dumps(fields))
        line.getresponse().read()
        line.close()


@cache
def list_cores() -> tuple[int, int]:
    """Return the core of what is measured and that of stub and clients; equal where one is all."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def running() -> Iterator[Stack]:
    """Start everything on a new database, and end it."""
    VAR.mkdir(parents=True, exist_ok=True)
    for path in VAR.glob("*"):
        # Compressing the static files is slow: those of the last run stay if they still fit.
        if not path.name.startswith("static"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (VAR / "metrics").mkdir()
    with ExitStack() as stack, (VAR / "servers.log").open("wb") as log:
        vendor = _start_vendor(stack, log)
        env = _product_env(vendor)
        _prepare(env)
        address = _free_address()
        command = [sys.executable, "-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py"]
        server = _start(stack, [*command, "dashboard.wsgi"], env | {"BIND": address}, log)
        jobs = _start(stack, [sys.executable, "manage.py", "run_huey", "--quiet"], env, log)
        peers, peers_cookie, peers_pid = _start_peers(stack, log, vendor)
        nginx, nginx_pid = _start_nginx(stack, log, vendor)
        _wait_for(address, "/healthz")
        _wait_for(peers, "/api/")
        yield Stack(
            vendor=vendor,
            product=address,
            product_cookie=_log_in(address),
            worker=find_child(server.pid),
            jobs=jobs.pid,
            peers=peers,
            peers_cookie=peers_cookie,
            peers_worker=find_child(peers_pid),
            nginx=nginx,
            nginx_worker=find_child(nginx_pid) if nginx else 0,
            env=env,
        )


def find_child(pid: int) -> int:
    """Return the first child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


def run_module(arguments: list[str], env: dict[str, str]) -> str:
    """Run a module of the bench on the measured core and return its output."""
    command = _pin([sys.executable, "-m", *arguments], list_cores()[0])
    return _run(command, env)


def _start_vendor(stack: ExitStack, log: IO[bytes]) -> str:
    process = subprocess.Popen(
        _pin([sys.executable, "-m", "bench.vendor_stub"], list_cores()[1]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    stack.callback(_end, process)
    assert process.stdout is not None  # noqa: S101 - piped above
    return f"127.0.0.1:{int(process.stdout.readline())}"


def _product_env(vendor: str) -> dict[str, str]:
    """Return the environment of a production server; a supervisor sees numbers masked."""
    return _base_env() | {
        "CALLBOARD_ENV_FILE": "",
        "VAR_DIR": str(VAR),
        "DATABASE_URL": f"sqlite:///{VAR / 'callboard.sqlite3'}",
        "DEBUG": "0",
        "SECRET_KEY": "a-key-of-the-bench-that-protects-invented-rows-on-loopback",
        "ISALES_BASE_URL": f"http://{vendor}",
        "ISALES_ACCESS_KEY": DEMO_ACCESS_KEY,
        "ISALES_SECRET_KEY": DEMO_SECRET_KEY,
        "NUMBERS_VISIBLE_TO": "admin",
        "PROMETHEUS_MULTIPROC_DIR": str(VAR / "metrics"),
        "BENCH_PASSWORD": _PASSWORD,
    }


def _prepare(env: dict[str, str]) -> None:
    """Make database, static files, a supervisor, a mirror and the tables of result codes."""
    manage = [sys.executable, "manage.py"]
    _run([*manage, "migrate", "--verbosity=0"], env)
    _run([sys.executable, "-c", _COLLECT], env)
    _run([sys.executable, "-m", "bench.work", "mirror", str(MIRROR_VDN), str(MIRROR_ROWS)], env)
    person = ["adduser", _PERSON, "--role", "supervisor", "--vdn", "88"]
    person += ["--vdn", str(MIRROR_VDN), "--password-env", "BENCH_PASSWORD"]
    _run([*manage, *person], env)
    for vdn in ("88", str(MIRROR_VDN)):
        _run([*manage, "refresh_result_codes", "--vdn", vdn], env)


_COLLECT: Final = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django
django.setup()
from django.core.management import call_command
from isales_proxy.management.commands.run_stack import CollectedState
state = CollectedState.compute()
if not state.is_current():
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    state.save()
"""


def _log_in(address: str) -> str:
    """Log in by the form and return the `Cookie` header."""
    page = f"http://{address}/accounts/login/"
    with requests.Session() as browser:
        form = browser.get(page, timeout=_PATIENCE).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        fields = {"login": _PERSON, "password": _PASSWORD}
        answer = browser.post(
            page,
            data=fields | {"csrfmiddlewaretoken": token[1] if token else ""},
            headers={"Referer": page},
            timeout=_PATIENCE,
        )
        answer.raise_for_status()
        cookies = browser.cookies.get_dict()
    if "callboard-session" not in cookies:
        raise RuntimeError("the log-in was refused")
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _start_peers(stack: ExitStack, log: IO[bytes], vendor: str) -> tuple[str, str, int]:
    env = _base_env() | {
        "BENCH_PEERS_DIR": str(VAR),
        "BENCH_VENDOR": f"http://{vendor}",
        "DJANGO_SETTINGS_MODULE": "bench.peers.settings",
    }
    session = run_module(["bench.peers"], env).strip()
    address = _free_address()
    options = ["--workers=1", "--worker-class=gthread", "--threads=8", "--keep-alive=30"]
    options.append("--no-control-socket")
    command = [sys.executable, "-m", "gunicorn", *options, f"--bind={address}"]
    server = _start(stack, [*command, "django.core.wsgi:get_wsgi_application()"], env, log)
    return address, f"sessionid={session}", server.pid


def _start_nginx(stack: ExitStack, log: IO[bytes], vendor: str) -> tuple[str, int]:
    """Start nginx as a bare proxy of the vendor stub; "" where there is no nginx."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        return "", 0
    address = _free_address()
    folder = VAR / "nginx"
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    paths = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit; {user}\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; {paths}\n"
        f"upstream vendor {{ server {vendor}; keepalive 16; }}\n"
        f"server {{ listen {address}; location / {{ proxy_pass http://vendor;\n"
        'proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n',
        "utf-8",
    )
    options = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    server = _start(stack, [program, *options], _base_env(), log)
    _wait_for(address, "/control")
    return address, server.pid


def _base_env() -> dict[str, str]:
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    } | {"PYTHONPATH": str(ROOT)}


def _run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
    return done.stdout


def _start(
    stack: ExitStack, command: list[str], env: dict[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a server on the core of what is measured."""
    process = subprocess.Popen(
        _pin(command, list_cores()[0]), cwd=ROOT, env=env, stdout=log, stderr=log
    )
    stack.callback(_end, process)
    return process


def _pin(command: list[str], core: int) -> list[str]:
    """Bind a command to a core where `taskset` is there."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(core), *command] if taskset else command


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def _wait_for(address: str, path: str) -> None:
    """Wait until a server gives any answer. Raises TimeoutError."""
    last = time.monotonic() + _PATIENCE
    while time.monotonic() < last:
        with suppress(OSError, requests.RequestException):
            requests.get(urllib.parse.urljoin(f"http://{address}", path), timeout=2)
            return
        time.sleep(0.1)
    raise TimeoutError(f"{address} did not answer; see var/bench/servers.log")
