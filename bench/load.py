"""Requests per second at a number of connections, by wrk or else by threads of Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Final

from bench.measure import Browser

# Each request asks for a page of its own, so that none is answered by the cache.
_SCRIPT: Final = """
local page = %(first)d
request = function()
  page = page + 1
  return wrk.format("GET", "%(path)s?size=50&page=" .. page)
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %%d, "seconds": %%f, "refused": %%d, "broken": %%d}\\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout))
end
"""
_PROBE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Load:
    """Counts of a load: answers that are not errors, refusals (4xx, 5xx), broken connections."""

    answered: int
    refused: int
    broken: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests per second that were not refused."""
        return self.answered / self.seconds


def find_wrk() -> str | None:
    """Return the path of wrk, if it is there."""
    return shutil.which("wrk")


def run_load(
    address: str,
    path: str,
    headers: dict[str, str],
    *,
    connections: int,
    seconds: int,
    first_page: int,
    folder: Path,
) -> Load:
    """Ask for page after page over `connections` at once, for some seconds."""
    program = find_wrk()
    if program is None:
        return _run_threads(address, path, headers, connections, seconds, first_page)
    script = folder / "load.lua"
    script.write_text(_SCRIPT % {"first": first_page, "path": path}, "utf-8")
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s", "-s", str(script)]
    for name, value in headers.items():
        options += ["-H", f"{name}: {value}"]
    run = subprocess.run(
        [program, *options, f"http://{address}{path}"], capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout.strip().splitlines()[-1])
    answered = found["requests"] - found["refused"]
    return Load(answered, found["refused"], found["broken"], found["seconds"])


def _run_threads(
    address: str,
    path: str,
    headers: dict[str, str],
    connections: int,
    seconds: int,
    first_page: int,
) -> Load:
    pages, lock = count(first_page), threading.Lock()
    taken = {"answered": 0, "refused": 0, "broken": 0}
    began = time.monotonic()

    def work() -> None:
        browser = Browser(address)
        while time.monotonic() - began < seconds:
            with lock:
                page = next(pages)
            try:
                status = browser.ask(f"{path}?size=50&page={page}", headers=headers).status
                kind = "answered" if status < 400 else "refused"
            except (OSError, HTTPException):
                browser, kind = Browser(address), "broken"
            with lock:
                taken[kind] += 1

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(**taken, seconds=time.monotonic() - began)


@contextmanager
def probing(address: str, path: str) -> Iterator[list[float]]:
    """Ask for an address five times a second meanwhile; gives the seconds that answers took."""
    ended, taken = threading.Event(), list[float]()

    def probe() -> None:
        while not ended.wait(_PROBE_SECONDS):
            began = time.monotonic()
            try:
                answer = Browser(address).ask(path)
            except (OSError, HTTPException):
                taken.append(float("inf"))
                continue
            taken.append(time.monotonic() - began if answer.status == 200 else float("inf"))

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join()
