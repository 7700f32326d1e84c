"""Child processes that live and die together: what `run_stack` needs of a supervisor.

Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches us alone and
whatever a child has started ends with it. Nobody survives us, not even when we are killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, Self

from isales_proxy.management.stop_request import StopRequest

_PR_SET_PDEATHSIG: Final = 1
_POLL_SECONDS: Final = 0.1
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A request to stop arrived while a step was running."""


class ChildFailed(Exception):
    """A child that should run has ended, or one that should succeed has not."""

    def __init__(self, child: Child) -> None:
        self.name, self.code = child.name, child.process.wait()
        output = child.read().strip()
        super().__init__(f"{self.name} ended with exit code {self.code}.\n{output}".rstrip())


@dataclass(frozen=True)
class Child:
    """One process, leader of its group, and the file of its output if that is ours to read."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes] | None

    def signal(self, number: signal.Signals) -> None:
        """Send to the whole group; a group that has ended is no error."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def read(self) -> str:
        """Return what it has printed so far; "" where that is not ours to read."""
        if self.output is None:
            return ""
        # The child writes at the position of the file, which this leaves as it is.
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")


class Supervisor:
    """Starts children in `cwd` with `env`; leaving the context ends all of them.

    `patience` is how many seconds they may take to end before they are killed.
    """

    def __init__(self, *, cwd: Path, env: Mapping[str, str], patience: float = 5.0) -> None:
        self._cwd = cwd
        self._env = dict(env)
        self._patience = patience
        self._children: list[Child] = []
        self._ended = StopRequest()
        self._before: dict[signal.Signals, object] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        for number in _ENDING:
            # Who is started by nohup asked not to be bothered by the terminal's end.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._ended.make)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop_all()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._ended.close()
        self._files.close()

    def set(self, **variables: str) -> None:
        """Variables for the children started from now on."""
        self._env |= variables

    def start(
        self, name: str, command: Sequence[str], *, read: bool = False, hushed: bool = False
    ) -> Child:
        """Start a child that is to run as long as we do. Raises Stopped.

        With `read` its output is ours to read, and with `hushed` its errors come with it.
        """
        self.check()
        output = self._files.enter_context(TemporaryFile()) if read else None  # noqa: SIM115
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if hushed else None,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
        child = Child(name, process, output)
        self._children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], *, hushed: bool = False) -> str:
        """Run a child to its end and return its output. Raises ChildFailed and Stopped."""
        return self.finish(self.start(name, command, read=True, hushed=hushed))

    def finish(self, child: Child) -> str:
        """Wait for the end of a child that ends by itself, and return its output. Raises
        ChildFailed and Stopped."""
        while child.process.poll() is None:
            self.pause()
        self._children.remove(child)
        if child.process.returncode:
            raise ChildFailed(child)
        return child.read()

    def first_line(self, child: Child) -> str:
        """Wait for the first line that a child prints. Raises ChildFailed and Stopped."""
        self.wait_until(lambda: "\n" in child.read())
        return child.read().partition("\n")[0]

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says so. Raises ChildFailed and Stopped."""
        while not ready():
            self.pause()
            self._see_all_alive()

    def watch(self) -> None:
        """Wait for the end: returns when it is asked for, raises ChildFailed when a child ends."""
        while not self._ended.wait(_POLL_SECONDS):
            self._see_all_alive()

    def pause(self) -> None:
        """A short wait. Raises Stopped as soon as the end is asked for."""
        self._ended.wait(_POLL_SECONDS)
        self.check()

    def check(self) -> None:
        """Raise Stopped once the end was asked for."""
        if self._ended.is_made():
            raise Stopped

    def _see_all_alive(self) -> None:
        for child in self._children:
            if child.process.poll() is not None:
                raise ChildFailed(child)

    def _stop_all(self) -> None:
        """SIGTERM to every group, and SIGKILL to what is left of it when `patience` is spent."""
        for child in self._children:
            child.signal(signal.SIGTERM)
        ends = time.monotonic() + self._patience
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, ends - time.monotonic()))
            child.signal(signal.SIGKILL)
            child.process.wait()
        self._children.clear()


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child of ours does first on Linux: ask for SIGTERM at our death, however it
    comes."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def request_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return request_signal
