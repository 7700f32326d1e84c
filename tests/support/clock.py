"""The clock of the tests: a fixed moment inside a test, and the shifted clock of a whole run."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

NOON: Final = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
"""A Wednesday in the middle of a month, hours away from a midnight and from any clock change."""


def variables() -> dict[str, str]:
    """The variables by which a process that a test starts has the clock of this one.

    `make test-clock` shifts the clock by libfaketime; the environment of a child is written anew.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name == "LD_PRELOAD" or name.startswith("FAKETIME")
    }
