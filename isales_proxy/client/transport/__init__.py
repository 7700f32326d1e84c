"""HTTP: the only place that knows requests."""

from __future__ import annotations

from .response_body import Answer, Received
from .transport import Transport

__all__ = ["Answer", "Received", "Transport"]
