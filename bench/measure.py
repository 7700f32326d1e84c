"""Measuring: requests on a kept connection, rounds of several ways in turn, CPU and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import MappingProxyType
from typing import Final

_PATIENCE: Final = 120.0


class NotAvailable(Exception):
    """What is to be measured is not there; the text says why."""


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
        """Send one request and read the whole answer."""
        began = time.perf_counter()
        self._line.request(method, path, body, {**self._headers, **headers})
        answer = self._line.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        return Answer(answer.status, _lower(answer), content, seconds)

    def get(
        self, path: str, *, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """Get an answer of this status. Raises NotAvailable for any other."""
        answer = self.ask(path, headers=headers)
        if answer.status != status:
            raise NotAvailable(f"{path.partition('?')[0]} answers {answer.status}")
        return answer


def _lower(answer: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


Way = Callable[[], float]
"""Does one request and returns what it took, in seconds."""


def take_rounds(
    ways: Mapping[str, Way], *, rounds: int, batch: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Take the ways in turn, A B C A B C …, so that a machine that drifts slows all alike.

    Returns the median seconds of each round's batch for every way, and why some are missing.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    missing: dict[str, str] = {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            if name in missing:
                continue
            try:
                median = statistics.median(way() for _ in range(batch))
            except NotAvailable as error:
                missing[name] = str(error)
                continue
            # The first round warms up.
            if number:
                taken[name].append(median)
    return taken, missing


def divide(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [first / second for first, second in zip(above, below, strict=True)]


def cpu_seconds(pid: int) -> float:
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
