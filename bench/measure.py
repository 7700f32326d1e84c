"""Measuring: requests on a kept connection, rounds of several ways in turn, CPU and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import BadStatusLine, HTTPConnection, HTTPResponse
from pathlib import Path
from types import MappingProxyType
from typing import Final

_PATIENCE: Final = 120.0


class NotAvailable(Exception):
    """Raised where there is nothing to measure; the text says why."""


@dataclass(frozen=True)
class Answer:
    """One answer; `seconds` from the request's first byte to the body's last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Browser:
    """One kept connection to a server; `headers` go with every request."""

    def __init__(self, address: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._line = HTTPConnection(address, timeout=_PATIENCE)
        self._headers = headers

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Send one request and read the whole answer; again where the kept connection was ended."""
        try:
            return self._ask(path, method, body, headers)
        except (ConnectionError, BadStatusLine):
            self._line.close()
            return self._ask(path, method, body, headers)

    def _ask(
        self, path: str, method: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        began = time.perf_counter()
        self._line.request(method, path, body, {**self._headers, **headers})
        answer = self._line.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        return Answer(answer.status, _lower(answer), content, seconds)

    def get(
        self,
        path: str,
        *,
        status: int = 200,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Get an answer of this status. Raises NotAvailable for any other."""
        answer = self.ask(path, method=method, body=body, headers=headers)
        if answer.status != status:
            raise NotAvailable(f"{path.partition('?')[0]} answers {answer.status}")
        return answer


def _lower(answer: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


@dataclass(frozen=True)
class Way:
    """One way to get rows: `ask` is measured, `prepare` before it is not. `pid` is the server."""

    ask: Callable[[], Answer]
    pid: int
    prepare: Callable[[], None] = lambda: None


@dataclass
class Taken:
    """Times of one way in each round, in seconds: on the wire, and of CPU in the server.

    Each is that of the fastest request of the round, since what else runs on the machine only ever
    adds. `missing` says why there is none.
    """

    wire: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    missing: str = ""


def take_rounds(ways: Mapping[str, Way], *, rounds: int, batch: int) -> dict[str, Taken]:
    """Take the ways in turn, A B C A B C …, so that a machine that drifts slows all alike."""
    found = {name: Taken() for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            taken = found[name]
            if taken.missing:
                continue
            try:
                samples = [_take(way) for _ in range(batch)]
            except NotAvailable as error:
                found[name] = Taken(missing=str(error))
                continue
            # The first round warms up.
            if number:
                taken.wire.append(min(wire for wire, _cpu in samples))
                taken.cpu.append(min(cpu for _wire, cpu in samples))
    return found


def _take(way: Way) -> tuple[float, float]:
    way.prepare()
    before = read_cpu(way.pid)
    wire = way.ask().seconds
    return wire, read_cpu(way.pid) - before


def divide(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [first / second for first, second in zip(above, below, strict=True)]


def read_cpu(pid: int) -> float:
    """Return the CPU time of all threads of a process so far, in seconds."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((thread / "schedstat").read_text("ascii").split()[0])
    return nanoseconds / 1e9


class PeakMemory:
    """The peak of a process's memory over what it held at the start, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        # Sets the peak back to what is held now.
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")
        self._idle = self._read("VmRSS")

    def read(self) -> float:
        """Return the growth so far."""
        return (self._read("VmHWM") - self._idle) / 1024

    def _read(self, name: str) -> float:
        for line in self._status.read_text("ascii").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
        raise NotAvailable(f"the system does not tell {name}")
