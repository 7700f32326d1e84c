"""The protocol by which metrics, logs and health follow calls."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Observer(Protocol):
    """Is told what happens, from whichever thread it happens in. Gets no value of any field."""

    def called(
        self,
        operation: str,
        outcome: str,
        seconds: float,
        attempt: int,
        request_id: str,
        http_status: int | None,
    ) -> None:
        """One attempt was sent. ``outcome`` is ``"ok"`` or the error's ``outcome``."""

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """A good answer came.

        ``date`` is the vendor's clock as its ``Date`` header says, aware UTC; ``shape`` names the
        envelope found, in a few plain words.
        """

    def drift(self, operation: str, field: str, kind: str) -> None:
        """A field was not as documented; once a page for each field and kind."""

    def breaker(self, operation: str, state: str) -> None:
        """The breaker of an operation changed to ``state``."""


class SilentObserver:
    """Takes notice of nothing."""

    def called(
        self,
        operation: str,
        outcome: str,
        seconds: float,
        attempt: int,
        request_id: str,
        http_status: int | None,
    ) -> None:
        """Nothing."""

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        """Nothing."""

    def drift(self, operation: str, field: str, kind: str) -> None:
        """Nothing."""

    def breaker(self, operation: str, state: str) -> None:
        """Nothing."""
