"""Rules for repeating a request: whether, and after how long."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import ISalesError

FIRST_WAIT = 0.1
_SECONDS = re.compile(r"[0-9]{1,9}")


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, as number or HTTP date; ``None`` if neither.

    A date that has passed gives 0.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RetryPolicy:
    """Decides after each failed attempt of one call; given to stamina as its hook.

    ``left`` tells the seconds until the deadline, ``allowed`` whether the breaker would let
    another attempt through, ``rng`` gives numbers from 0 to 1. No wait is longer than
    ``longest``: a vendor that asks for more gets no second attempt but its error handed on.
    """

    def __init__(
        self,
        *,
        left: Callable[[], float],
        allowed: Callable[[], bool],
        rng: Callable[[], float],
        longest: float,
    ) -> None:
        self._left = left
        self._allowed = allowed
        self._rng = rng
        self._longest = longest
        self._failures = 0
        self.wait = 0.0
        """Seconds to wait before the attempt that was decided upon last."""

    def __call__(self, error: Exception) -> bool | float:
        """``False``: hand the error on. A number: try again.

        The number is always 0, for stamina can only sleep by the wall clock: `wait` holds the
        true wait, for the caller to sleep by its own clock.
        """
        if not isinstance(error, ISalesError) or not error.retryable or not self._allowed():
            return False
        # Half of the wait is chance, so that clients which failed together part ways.
        backoff = FIRST_WAIT * 2.0**self._failures * (0.5 + self._rng())
        wait = max(min(backoff, self._longest), error.retry_after or 0.0)
        if wait > self._longest or wait >= self._left():
            return False
        self._failures += 1
        self.wait = wait
        return 0.0
