"""What the client's transport tells during one examination, kept until it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from isales_proxy.core.metrics import Observer
from isales_proxy.diagnostics.findings import ClockDifference, Drift

# The header holds whole seconds, cut off: on average half of one is missing.
_HALF_A_SECOND = 0.5


@dataclass(frozen=True)
class Attempt:
    """One request sent: when it ended (aware UTC), its seconds, and what came of it."""

    ended_at: datetime
    seconds: float
    outcome: str
    request_id: str
    http_status: int | None


@dataclass(frozen=True)
class _Good:
    date: datetime | None
    shape: str


class CallLog:
    """An observer for one thread. The house's own is told of calls and drift too, not of circuits:
    those of an examination are not the ones that people's calls meet."""

    def __init__(self, clock: Callable[[], datetime], house: Observer) -> None:
        self._clock = clock
        self._house = house
        self._attempts: dict[str, list[Attempt]] = defaultdict(list)
        self._good: dict[str, _Good] = {}
        self._drift: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)

    def called(
        self,
        operation: str,
        outcome: str,
        seconds: float,
        attempt: int,
        request_id: str,
        http_status: int | None,
    ) -> None:
        """Note one attempt."""
        self._attempts[operation].append(
            Attempt(self._clock(), seconds, outcome, request_id, http_status)
        )
        self._house.called(operation, outcome, seconds, attempt, request_id, http_status)

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """Note the vendor's time and envelope."""
        self._good[operation] = _Good(date, shape)
        self._house.answered(operation, date=date, shape=shape)

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Note a field that was not as documented, once."""
        self._drift[operation][field, kind] = None
        self._house.drift(operation, field, kind)

    def breaker(self, operation: str, state: str) -> None:
        """Nothing."""

    def attempts(self, operation: str) -> list[Attempt]:
        """The attempts of an operation so far."""
        return list(self._attempts[operation])

    def shape(self, operation: str) -> str:
        """The envelope of the last good answer; "" without one."""
        good = self._good.get(operation)
        return good.shape if good else ""

    def differences(self, operation: str) -> Drift:
        """All differences so far, in the order in which they were met."""
        return tuple(self._drift[operation])

    def told_time(self, operation: str) -> datetime | None:
        """What the vendor's clock said in the last good answer."""
        good = self._good.get(operation)
        return good.date if good else None

    def clock(self, operation: str, told: datetime | None) -> ClockDifference | None:
        """The vendor's clock, which told this time, against ours at the middle of the last
        attempt."""
        attempts = self._attempts[operation]
        if told is None or not attempts:
            return None
        last = attempts[-1]
        middle = last.ended_at - timedelta(seconds=last.seconds / 2)
        return ClockDifference(
            seconds=(told - middle).total_seconds() + _HALF_A_SECOND,
            within=last.seconds / 2 + _HALF_A_SECOND,
        )
