"""Events of calls, for metrics, logs and health."""

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
    """Receives events in the thread where they happen, without values of fields. Ignores them."""

    def called(self, attempt: Attempt) -> None:
        """One attempt was sent."""

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """A good answer arrived.

        ``date`` is the vendor's ``Date`` header, aware UTC; ``shape`` describes the envelope.
        """

    def drift(self, operation: str, field: str, kind: str) -> None:
        """A field was not as documented; once a page for each field and kind."""

    def breaker(self, operation: str, state: str) -> None:
        """The breaker of an operation changed to ``state``."""
