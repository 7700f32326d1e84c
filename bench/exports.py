"""Figures of the export: pages read ahead against one after the other, and memory."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import Final

from bench.measure import Browser, NotAvailable, PeakMemory, divide
from bench.pages import VENDOR_MS
from bench.report import Figure, Gate
from bench.servers import VAR, Stack, run_module
from bench.work import LIST_PATH

_AHEAD: Final = Gate(">=", 6)
_MEMORY: Final = Gate("<=", 20)
_WAIT_SECONDS: Final = 120.0
_STATE: Final = "SELECT state, rows, reason FROM isales_proxy_exportjob ORDER BY id DESC LIMIT 1"
_UNDER_WAY: Final = {"queued", "running"}


def measure_reading(stack: Stack, *, rounds: int, rows: int) -> Figure:
    """Measure the reading of all rows, one page after the other, against 8 pages ahead."""
    name = f"live export, sequential / 8 pages ahead, vendor {VENDOR_MS} ms"
    stack.set_vendor(latency_ms=VENDOR_MS, rows=rows)
    found = json.loads(run_module(["bench.work", "reading", str(rounds)], stack.env))
    if "missing" in found:
        return Figure(name, gate=_AHEAD, note=found["missing"])
    ratios = divide(found["sequential"], found["ahead"])
    seconds = f"{min(found['sequential']):.2f} s to {min(found['ahead']):.2f} s at best"
    return Figure(name, ratios, _AHEAD, note=f"{found['rows']} rows, {seconds}")


def measure_memory(stack: Stack, kind: str, *, rows: int) -> Figure:
    """Measure the growth of web server and job worker together while `rows` rows are exported."""
    name = f"memory of an export of {rows:,} rows, {kind.upper()}"
    stack.set_vendor(latency_ms=0, rows=rows)
    began = time.monotonic()
    try:
        meters = [PeakMemory(pid) for pid in (stack.worker, stack.jobs)]
        size = _export(stack, kind)
        grown = [meter.read() for meter in meters]
    except (NotAvailable, OSError) as error:
        return Figure(name, gate=_MEMORY, unit=" MB", note=str(error))
    seconds = time.monotonic() - began
    note = f"server {grown[0]:.1f}, jobs {grown[1]:.1f}; {size / 1e6:.1f} MB in {seconds:.1f} s"
    return Figure(name, [sum(grown)], _MEMORY, " MB", digits=1, note=note)


def _export(stack: Stack, kind: str) -> int:
    """Ask for the file and wait until it is whole; returns its bytes. Raises NotAvailable."""
    browser = Browser(stack.product, {"Cookie": stack.product_cookie})
    path = f"{LIST_PATH}export.{kind}"
    answer = browser.ask(path)
    if answer.status == 200:
        return len(answer.body)
    if answer.status != 303:
        raise NotAvailable(f"{path} answers {answer.status}")
    _wait_for_job()
    return max(file.stat().st_size for file in (VAR / "exports").glob(f"*.{kind}"))


def _wait_for_job() -> None:
    """Wait for the newest job. Raises NotAvailable when it fails or takes too long."""
    last = time.monotonic() + _WAIT_SECONDS
    with closing(sqlite3.connect(VAR / "callboard.sqlite3", timeout=20)) as line:
        while True:
            state, rows, reason = line.execute(_STATE).fetchone()
            if state not in _UNDER_WAY:
                break
            if time.monotonic() > last:
                raise NotAvailable(f"the job is {state} after {_WAIT_SECONDS:.0f} s, {rows} rows")
            time.sleep(0.2)
    if state != "done":
        raise NotAvailable(f"the job is {state}: {reason}")
