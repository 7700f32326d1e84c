"""Supervisor of the child processes of `run_stack`, which are stopped together.

Each child leads a process group of its own: Ctrl-C in the terminal reaches the supervisor only, and
the processes that a child started are stopped with it. On Linux children are also stopped when the
supervisor is killed.
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
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The stop was requested while a step was running."""


class ChildFailed(Exception):
    """A long-running child has exited, or a step has failed."""

    def __init__(self, child: Child) -> None:
        self.name, self.code = child.name, child.process.wait()
        output = child.read().strip()
        super().__init__(f"{self.name} ended with exit code {self.code}.\n{output}".rstrip())


@dataclass(frozen=True)
class Child:
    """One process, leader of its group, and the file of its output if it is captured."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes] | None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if it still exists."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def read(self) -> str:
        """Return the output so far; "" if it is not captured."""
        if self.output is None:
            return ""
        # `pread` does not move the file position, at which the child writes.
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")


class Supervisor:
    """Starts children in `cwd` with `env`, and stops all of them when the context is left.

    Children that have not exited after `grace_s` are killed.
    """

    def __init__(self, *, cwd: Path, env: Mapping[str, str], grace_s: float = 5.0) -> None:
        self._cwd = cwd
        self._env = dict(env)
        self._grace_s = grace_s
        self._children: list[Child] = []
        self._stop = StopRequest()
        self._handlers: dict[signal.Signals, object] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # nohup ignores SIGHUP so that the process survives the terminal.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._handlers[number] = signal.signal(number, self._stop.make)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop_all()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._stop.close()
        self._files.close()

    def set(self, **variables: str) -> None:
        """Set environment variables for children that are started later."""
        self._env |= variables

    def start(
        self, name: str, command: Sequence[str], *, capture: bool = False, quiet: bool = False
    ) -> Child:
        """Start a child. Raises Stopped.

        `capture` captures its standard output; `quiet` captures its errors as well.
        """
        self.check()
        output = self._files.enter_context(TemporaryFile()) if capture else None  # noqa: SIM115
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if quiet else None,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
        child = Child(name, process, output)
        self._children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], *, quiet: bool = False) -> str:
        """Run a step and return its output. Raises ChildFailed and Stopped."""
        return self.finish(self.start(name, command, capture=True, quiet=quiet))

    def finish(self, child: Child) -> str:
        """Wait for a step to exit and return its output. Raises ChildFailed and Stopped."""
        while child.process.poll() is None:
            self.pause()
        self._children.remove(child)
        if child.process.returncode:
            raise ChildFailed(child)
        return child.read()

    def read_first_line(self, child: Child) -> str:
        """Wait for the first line that a child prints. Raises ChildFailed and Stopped."""
        self.wait_until(lambda: "\n" in child.read())
        return child.read().partition("\n")[0]

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()` is True. Raises ChildFailed and Stopped."""
        while not ready():
            self.pause()
            self._check_children()

    def watch(self) -> None:
        """Wait for the stop request. Raises ChildFailed when a child exits."""
        while not self._stop.wait(_POLL_SECONDS):
            self._check_children()

    def pause(self) -> None:
        """Wait briefly. Raises Stopped as soon as the stop is requested."""
        self._stop.wait(_POLL_SECONDS)
        self.check()

    def check(self) -> None:
        """Raise Stopped once the stop was requested."""
        if self._stop.is_made():
            raise Stopped

    def _check_children(self) -> None:
        for child in self._children:
            if child.process.poll() is not None:
                raise ChildFailed(child)

    def _stop_all(self) -> None:
        """SIGTERM to every group, and SIGKILL to what is left of it after `grace_s`."""
        for child in self._children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            child.signal(signal.SIGKILL)
            child.process.wait()
        self._children.clear()


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child runs first: on Linux, a request for SIGTERM when its parent dies."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def request_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return request_signal
