"""The events by which metrics, logs and health follow calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request sent: its duration in seconds, its number within the call, and its result.

    ``outcome`` is ``"ok"`` or the error's ``outcome``; ``http_status`` is None without an answer.
    """

    operation: str
    outcome: str
    seconds: float
    number: int
    request_id: str
    http_status: int | None


class Observer:
    """Receives events, from whichever thread they happen in. Gets no value of any field.

    This one takes notice of nothing.
    """

    def called(self, attempt: Attempt) -> None:
        """One attempt was sent."""

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """A good answer came.

        ``date`` is the vendor's clock as its ``Date`` header says, aware UTC; ``shape`` names the
        envelope found, in a few plain words.
        """

    def drift(self, operation: str, field: str, kind: str) -> None:
        """A field was not as documented; once a page for each field and kind."""

    def breaker(self, operation: str, state: str) -> None:
        """The breaker of an operation changed to ``state``."""
