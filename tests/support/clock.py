"""The clock of the tests: a fixed moment inside a test, and the shifted clock of a whole run."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

NOON: Final = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
"""A Wednesday in the middle of a month, hours away from a midnight and from any clock change."""

_AHEAD: Final = "CALLBOARD_TEST_CLOCK"
_SHIFTED_DATE: Final = """
globalThis.Date = new Proxy(Date, {
  construct: (real, given, made) =>
    Reflect.construct(real, given.length ? given : [real.now() + AHEAD], made),
  apply: (real) => new real(real.now() + AHEAD).toString(),
  get: (real, name) => (name === "now" ? () => real.now() + AHEAD : Reflect.get(real, name)),
});
"""


def variables() -> dict[str, str]:
    """The variables by which a process that a test starts has the clock of this one.

    `make test-clock` shifts the clock of each Python process by them (.ci/clock); the environment
    of a child is written anew.
    """
    if _ahead() == 0:
        return {}
    return {name: os.environ[name] for name in ("PYTHONPATH", _AHEAD)}


def page_script() -> str:
    """A script by which the pages of a browser have the clock of this process; "" for the true."""
    return _SHIFTED_DATE.replace("AHEAD", str(_ahead() * 1000)) if _ahead() else ""


def _ahead() -> int:
    """Return by how many seconds `make test-clock` has shifted the clock of this process."""
    return int(os.environ.get(_AHEAD, "0"))
