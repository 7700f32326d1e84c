"""Signals during the handling of another signal cause no deadlock."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
# A second signal at every line that the handler of the first executes, library included.
AT_EVERY_LINE = """
import os, signal, sys
from isales_proxy.management.stop_request import StopRequest
from isales_proxy.management.supervision import Supervisor
left = 60
def again(frame, event, _argument):
    global left
    if event == "line" and left:
        left -= 1
        os.kill(os.getpid(), signal.SIGTERM)
    return again
def run(wait):
    sys.settrace(again)
    os.kill(os.getpid(), signal.SIGTERM)
    sys.settrace(None)
    wait()
"""
REQUEST = """
request = StopRequest()
request.on_signals()
run(request.wait)
assert request.is_made() and left < 60
"""
SUPERVISOR = """
from pathlib import Path
with Supervisor(cwd=Path("."), env=os.environ) as supervisor:
    run(supervisor.watch)
assert left < 60
"""


@pytest.mark.parametrize("code", [REQUEST, SUPERVISOR], ids=["request", "supervisor"])
def test_signal_during_signal_handling_causes_no_deadlock(code: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", AT_EVERY_LINE + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("arguments", "ready"), [(("run_simulator", "--rows", "1", "--call-data", "0"), "simulator on")]
)
def test_repeated_signals_end_a_command_cleanly(
    tmp_path: Path, arguments: tuple[str, ...], ready: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"VAR_DIR": str(tmp_path), "CALLBOARD_ENV_FILE": ""},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert ready in process.stdout.readline()
        # Until it is gone: the interpreter would give up the handlers at its very end.
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
        assert process.returncode == 0


def test_signal_handlers_are_set_in_one_place() -> None:
    setting = re.compile(r"\bsignal\.signal\(")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("isales_proxy", "dashboard")
        for path in (ROOT / folder).rglob("*.py")
        if setting.search(path.read_text("utf-8"))
    }
    assert found == {
        "isales_proxy/management/stop_request.py",
        # Which sets StopRequest.make, and gives back what was there before.
        "isales_proxy/management/supervision.py",
    }
