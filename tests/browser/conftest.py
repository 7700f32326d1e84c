"""The real product in a process of its own, and a real browser in front of it.

The web server runs as in production (DEBUG off, hashed static files, strict headers) with a fresh
SQLite database; its vendor is a simulator in this process, so that tests can script its faults.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    Simulator,
)
from tests.support import clock, furnished, starts
from tests.support.furnished import PASSWORD
from tests.support.starts import Process
from tests.support.web import collect_static_files

PEOPLE = (
    ("supervisor", "--role", "supervisor", "--vdn", "88", "--vdn", "89"),
    ("admin", "--role", "admin", "--vdn", "88"),
    ("auditor", "--role", "auditor", "--vdn", "88"),
    ("agent", "--role", "agent", "--vdn", "88", "--agent-account", "116"),
    # Whose second factor comes and goes, so that nobody else's log-in changes.
    ("keyholder", "--role", "auditor", "--vdn", "88"),
)
LIST = "/vdn/88/reservations/"
MIRRORED = "/vdn/89/reservations/"
WORKER = ("manage.py", "run_huey", "--quiet")
# The shell first: it is the same engine without the windows that nobody sees here, and they take
# most of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="session")
def vendor_process() -> Iterator[Simulator]:
    with Simulator(rows=1_500) as simulator:
        yield simulator


@pytest.fixture
def vendor(vendor_process: Simulator) -> Iterator[Simulator]:
    """The simulator behind the product, without faults at the start and at the end."""
    vendor_process.faults.clear()
    vendor_process.calls.clear()
    yield vendor_process
    vendor_process.faults.clear()
    vendor_process.start()


@pytest.fixture(scope="session")
def product(vendor_process: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running product with a person for each role."""
    var = tmp_path_factory.mktemp("product")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        "PATH": os.environ["PATH"],
        **clock.variables(),
        "CALLBOARD_ENV_FILE": "",
        "HOME": str(var),
        "VAR_DIR": str(var),
        "DEBUG": "0",
        "SECRET_KEY": "only-for-these-browser-tests-and-nothing-else-in-the-world",
        "ISALES_BASE_URL": vendor_process.base_url,
        "ISALES_ACCESS_KEY": DEMO_ACCESS_KEY,
        "ISALES_SECRET_KEY": DEMO_SECRET_KEY,
        "ISALES_APP_KEY": DEMO_APP_KEY,
        "ISALES_APP_SECRET": DEMO_APP_SECRET,
        "ISALES_VDNS": "88:Support:Asia/Shanghai,89:Sales:UTC",
        "ISALES_PAGE_CACHE_SECONDS": "0",
        "ISALES_READ_TIMEOUT": "3",
        "ISALES_DEADLINE": "4",
        "ISALES_CALL_DATA_TIMEOUT": "4",
        "DATABASE_URL": f"sqlite:///{var / 'callboard.sqlite3'}",
        "PYTHONWARNINGS": "ignore",
        "BIND": f"127.0.0.1:{port}",
    }
    collect_static_files(var, env)
    furnished.sqlite(env, var / "callboard.sqlite3", PEOPLE)
    swept = starts.run(["manage.py", "sweep", "--vdn", "89"], env)
    assert swept.returncode == 0, swept.stderr
    gunicorn = ["-m", "gunicorn", "-c", "dashboard/gunicorn_conf.py", "dashboard.wsgi"]
    with running(var, env, "server", *gunicorn) as server, running(var, env, "worker", *WORKER):
        _wait_until_alive(port, server)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(var: Path, env: dict[str, str], name: str, *arguments: str) -> Iterator[Process]:
    """A process of the product, its output in a file of that name; ended afterwards."""
    with (var / f"{name}.log").open("wb") as log:
        process = Process(arguments, env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.end_group()


def _wait_until_alive(port: int, server: Process) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended"
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=2)) as line:
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


# Until the last browser test in a row: while Playwright runs it keeps an event loop in this thread,
# in which Django refuses to ask the database, and other tests of this worker have to.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
        yield running
        running.close()


@dataclass
class Seat:
    """One person at one browser. `complaints` collects console errors and CSP violations."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def go(self, path: str) -> None:
        """Open an address of the product."""
        self.page.goto(self.base + path)

    def rows(self) -> Any:
        """The rows on the screen."""
        return self.page.locator("tr[data-appoint-id]")

    def settled(self) -> None:
        """Wait until no request of the list is under way."""
        self.page.locator("#results[aria-busy=false]").wait_for()

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            text = message.text
            if not any(part in text for part in self.expected):
                self.complaints.append(text)


Sit = Callable[..., Seat]


@pytest.fixture(scope="session")
def tickets(product: str) -> dict[str, Any]:
    """The cookies of each role that has logged in: most tests are not about that."""
    return {}


@pytest.fixture
def sit(
    product: str, browser: Browser, vendor: Simulator, tickets: dict[str, Any]
) -> Iterator[Sit]:
    """A function that lets a person in and gives their seat; afterwards nobody may have complained.

    The page is that of `at`. Options are those of a browser context (viewport, color_scheme,
    java_script_enabled …) and `expected`: parts of console messages that a test provokes.
    """
    contexts: list[BrowserContext] = []
    seats: list[Seat] = []

    def take(
        role: str | None = "supervisor",
        *,
        at: str = LIST,
        expected: tuple[str, ...] = (),
        **options: Any,
    ) -> Seat:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        options.setdefault("locale", "en-US")
        context = browser.new_context(**options)
        context.set_default_timeout(15_000)
        if script := clock.page_script():
            context.add_init_script(script)
        contexts.append(context)
        seat = Seat(context.new_page(), product, expected=expected)
        seats.append(seat)
        seat.page.on("console", seat.heard)
        seat.page.on("pageerror", lambda error: seat.complaints.append(str(error)))
        if role is None:
            return seat
        if role in tickets:
            context.add_cookies(tickets[role])
            seat.go(at)
        if role not in tickets or "/accounts/login/" in seat.page.url:
            log_in(seat, role)
            tickets[role] = context.cookies()
            if at != LIST:
                seat.go(at)
        return seat

    yield take
    complaints = [text for seat in seats for text in seat.complaints]
    for context in contexts:
        for page in context.pages:
            # A context that is closed while a page is on its way to another may never be closed.
            page.goto("about:blank")
        context.close()
    assert complaints == []


def log_in(seat: Seat, role: str) -> None:
    """Log in by the form, as a person does."""
    seat.go("/accounts/login/")
    seat.page.get_by_label("User name").fill(role)
    seat.page.get_by_label("Password").fill(PASSWORD)
    seat.page.get_by_role("button", name="Log in").click()
    seat.page.wait_for_url("**/reservations/")
