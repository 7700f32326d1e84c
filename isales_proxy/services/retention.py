"""What is kept no longer than it may be: every kind after its own time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from isales_proxy.services import call_data, form_drafts, write_backs
from isales_proxy.services.audit import upkeep
from isales_proxy.services.people import attempts, sessions, tokens
from isales_proxy.services.result_codes import sightings

_KINDS: Final[tuple[tuple[str, Callable[[datetime], int]], ...]] = (
    ("Rows of call data", call_data.purge),
    ("Write-backs", write_backs.purge),
    ("Sightings of result codes", sightings.purge),
    ("API tokens", tokens.purge),
    ("Sessions", sessions.purge),
    ("Attempts to log in", attempts.purge),
    ("Drafts of forms", form_drafts.purge),
    # The last one, since the others may be recorded there.
    ("Audit events", upkeep.purge),
)


def apply(now: datetime) -> dict[str, int]:
    """Delete what is over at `now` (aware UTC); gives how many of each kind, by an English name."""
    return {name: purge(now) for name, purge in _KINDS}
