"""Child processes that are stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from isales_proxy.management.supervision import ChildFailed, Stopped, Supervisor

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
# Each says that it is there, and who it is, before it waits for ever.
WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAITS
WITH_GRANDCHILD = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), end="", flush=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(cwd=ROOT, env=os.environ, grace_s=2.0) as running:
        yield running


def ended(pid: int) -> bool:
    """Return True if the process has ended or is a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


def wait_for_end(pid: int) -> None:
    """Wait until the process is gone, at most as long as a test may run."""
    pause = threading.Event()
    for _ in range(500):
        if ended(pid):
            return
        pause.wait(0.02)
    pytest.fail(f"process {pid} lives on")


@pytest.mark.parametrize("code", [WAITS, STUBBORN, WITH_GRANDCHILD])
def test_children_and_grandchildren_end_with_the_supervisor(code: str) -> None:
    with Supervisor(cwd=ROOT, env=os.environ, grace_s=0.5) as supervisor:
        child = supervisor.start("child", python(code), capture=True)
        other = int(supervisor.read_first_line(child))
    assert child.process.returncode is not None
    wait_for_end(other)


def test_end_of_one_child_ends_the_watch(supervisor: Supervisor) -> None:
    other = supervisor.start("other", python(WAITS), capture=True)
    supervisor.read_first_line(other)
    supervisor.start("short", python("raise SystemExit(3)"))
    with pytest.raises(ChildFailed, match="short ended with exit code 3"):
        supervisor.watch()


def test_signal_ends_the_watch_and_prevents_new_children(supervisor: Supervisor) -> None:
    supervisor.start("child", python(WAITS))
    os.kill(os.getpid(), signal.SIGTERM)
    supervisor.watch()
    with pytest.raises(Stopped):
        supervisor.start("late", python(WAITS))


def test_stop_request_ends_waiting_for_a_step(supervisor: Supervisor) -> None:
    child = supervisor.start("step", python(WAITS), capture=True)
    supervisor.read_first_line(child)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped):
        supervisor.finish(child)


def test_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Supervisor(cwd=ROOT, env=os.environ):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_output_of_a_step_is_returned(supervisor: Supervisor) -> None:
    supervisor.set(WORD="said")
    code = "import os, sys; print(os.environ['WORD']); print('hushed', file=sys.stderr)"
    said = supervisor.run("step", python(code), quiet=True)
    assert sorted(said.split()) == ["hushed", "said"]
    assert supervisor.run("step", python("print('x' * 200_000)")) == "x" * 200_000 + "\n"


def test_failed_step_raises_its_name_exit_code_and_output(supervisor: Supervisor) -> None:
    with pytest.raises(ChildFailed, match=r"step ended with exit code 1\.\nbecause") as caught:
        supervisor.run("step", python("raise SystemExit('because')"), quiet=True)
    assert (caught.value.name, caught.value.code) == ("step", 1)


def test_child_that_ends_without_output_has_failed(supervisor: Supervisor) -> None:
    child = supervisor.start("mute", python("raise SystemExit(2)"), capture=True)
    with pytest.raises(ChildFailed, match="mute ended with exit code 2"):
        supervisor.read_first_line(child)


def test_waiting_ends_when_a_child_ends(supervisor: Supervisor) -> None:
    supervisor.start("short", python("pass"))
    with pytest.raises(ChildFailed):
        supervisor.wait_until(lambda: False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a service of the Linux kernel")
def test_child_of_a_killed_supervisor_ends() -> None:
    code = f"""
import os
from pathlib import Path
from isales_proxy.management.supervision import Supervisor
with Supervisor(cwd=Path("."), env=os.environ) as supervisor:
    child = supervisor.start("child", {python(WAITS)!r}, capture=True)
    print(supervisor.read_first_line(child), flush=True)
    supervisor.watch()
"""
    with subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    wait_for_end(child)
