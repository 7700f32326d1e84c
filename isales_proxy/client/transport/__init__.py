"""Everything that touches HTTP: the only place that knows requests."""

from __future__ import annotations

from .transport import Answer, Transport

__all__ = ["Answer", "Transport"]
