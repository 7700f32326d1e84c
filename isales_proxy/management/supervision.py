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
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from isales_proxy.management.stop_request import StopRequest

_PR_SET_PDEATHSIG: Final = 1
_POLL_SECONDS: Final = 0.1
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A request to stop arrived while a step was running."""


class ChildFailed(Exception):
    """A child that should run has ended, or one that should succeed has not."""

    def __init__(self, name: str, code: int, output: str = "") -> None:
        said = f"\n{output.strip()}" if output.strip() else ""
        super().__init__(f"{name} ended with exit code {code}.{said}")
        self.name = name
        self.code = code


@dataclass(frozen=True)
class Child:
    """One process, leader of its group."""

    name: str
    process: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        """Send to the whole group; a group that has ended is no error."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    @property
    def output(self) -> IO[str]:
        """Its standard output; only of a child started with `piped`."""
        assert self.process.stdout is not None  # noqa: S101 - a mistake of ours, not of a user
        return self.process.stdout


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

    def end(self) -> None:
        """Ask for the end, as a signal does."""
        self._ended.make()

    def set(self, **variables: str) -> None:
        """Variables for the children started from now on."""
        self._env |= variables

    def start(
        self, name: str, command: Sequence[str], *, piped: bool = False, hushed: bool = False
    ) -> Child:
        """Start a child that is to run as long as we do. Raises Stopped.

        With `piped` its output is ours to read, and with `hushed` its errors come with it.
        """
        self.check()
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else None,
            stderr=subprocess.STDOUT if hushed else None,
            text=True,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
        child = Child(name, process)
        self._children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], *, hushed: bool = False) -> str:
        """Run a child to its end and give its output. Raises ChildFailed and Stopped."""
        return self.finish(self.start(name, command, piped=True, hushed=hushed))

    def finish(self, child: Child) -> str:
        """Wait for a piped child that ends by itself. Raises ChildFailed and Stopped."""
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(child.output.read()), daemon=True)
        reader.start()
        while child.process.poll() is None:
            self.pause()
        self._children.remove(child)
        reader.join()
        child.output.close()
        if child.process.returncode:
            raise ChildFailed(child.name, child.process.returncode, "".join(said))
        return "".join(said)

    def first_line(self, child: Child) -> str:
        """The first line that a piped child prints. Raises ChildFailed and Stopped."""
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(child.output.readline()), daemon=True)
        reader.start()
        while reader.is_alive():
            self.pause()
        if not said or not said[0]:
            raise ChildFailed(child.name, child.process.wait())
        return said[0].rstrip("\n")

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
                raise ChildFailed(child.name, child.process.returncode)

    def _stop_all(self) -> None:
        """SIGTERM to every group, and SIGKILL to what is left of it when `patience` is spent."""
        for child in self._children:
            child.signal(signal.SIGTERM)
        spent = threading.Event()
        timer = threading.Timer(self._patience, spent.set)
        timer.start()
        for child in reversed(self._children):
            while child.process.poll() is None and not spent.wait(_POLL_SECONDS):
                pass
            child.signal(signal.SIGKILL)
            child.process.wait()
            if child.process.stdout is not None:
                child.process.stdout.close()
        timer.cancel()
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
