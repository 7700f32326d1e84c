"""Processes of the product for less than the price of a new interpreter each: they are forked from
one process that has loaded the libraries; see `fork_server`."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support import clock

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Start:
    """The arguments of `manage.py`, and the whole environment."""

    arguments: Sequence[str]
    env: dict[str, str]


class Process:
    """A process of the product in a session of its own, with what tests use of `Popen`.

    `command` is what follows `python`. Streams are files, or `subprocess.PIPE` for text that the
    test writes or reads; others are empty. Relative paths are those of the product.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        *,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        self.args = [*command]
        self.returncode: int | None = None
        theirs: list[int] = []
        self.stdin = self._open(stdin, "w", theirs)
        self.stdout = self._open(stdout, "r", theirs)
        both = stderr == subprocess.STDOUT
        self.stderr = self._open(theirs[1] if both else stderr, "r", theirs)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._line.connect(_get_address())
            request = json.dumps({"command": self.args, "env": env}).encode()
            socket.send_fds(self._line, [request], theirs)
        finally:
            for each in theirs:
                os.close(each)
        self.pid = self._receive()

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait at most `timeout` seconds for the exit status. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read output and errors to their ends; "" for what is no pipe."""
        with ThreadPoolExecutor(2) as pool:
            output, errors = pool.map(_read, (self.stdout, self.stderr))
        self.wait(timeout)
        return output, errors

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def end_group(self, number: int = signal.SIGTERM, timeout: float = 15) -> None:
        """End the process with all that it started."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            self.wait(timeout)

    def _end(self) -> None:
        self.returncode = self._receive()
        self._line.close()

    def _receive(self) -> int:
        text = self._line.recv(64)
        assert text, "the process that forks has ended"
        return int(text)

    def _open(self, stream: int | IO[Any] | None, mode: str, theirs: list[int]) -> IO[str] | None:
        """Add the process's end of a stream to `theirs`; return ours of a pipe."""
        if stream is None or stream == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_RDWR))
            return None
        if stream != subprocess.PIPE:
            theirs.append(os.dup(stream if isinstance(stream, int) else stream.fileno()))
            return None
        reading, writing = os.pipe()
        theirs.append(reading if mode == "w" else writing)
        return os.fdopen(writing if mode == "w" else reading, mode, encoding="utf-8")


def _read(stream: IO[str] | None) -> str:
    if stream is None:
        return ""
    with stream:
        return stream.read()


def run(command: Sequence[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python <command>` to its end; give status, output and errors."""
    process = Process(command, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    texts = process.communicate()
    return subprocess.CompletedProcess([*command], process.wait(), *texts)


def run_starts(starts: Sequence[Start]) -> list[subprocess.CompletedProcess[str]]:
    """Run each start to its end, one after the other."""
    return [run(["manage.py", *start.arguments], start.env) for start in starts]


def discard() -> None:
    """End the process that forks: for the end of a process of tests."""
    while _servers:
        _folder, server = _servers.pop()
        server.communicate()
        _folder.cleanup()


_servers: list[tuple[tempfile.TemporaryDirectory[str], subprocess.Popen[bytes]]] = []


def _get_address() -> str:
    """Return the address of the process that forks; start it at the first call."""
    if not _servers:
        folder = tempfile.TemporaryDirectory(prefix="callboard-tests-")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            # Requests that come while it loads wait here.
            listener.bind(f"{folder.name}/requests")
            listener.listen(64)
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(listener.fileno())],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **clock.variables()},
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        _servers.append((folder, server))
    return f"{_servers[0][0].name}/requests"
