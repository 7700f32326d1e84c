"""Retention: deletion of each kind of data after its retention time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from isales_proxy.accounts import form_drafts, sessions, sign_in_attempts, tokens
from isales_proxy.audit import retention
from isales_proxy.exports import services as exports
from isales_proxy.mirror import forgetting
from isales_proxy.outbound import storage
from isales_proxy.result_codes import occurrences
from isales_proxy.write_backs import services as write_backs

_KINDS: Final[tuple[tuple[str, Callable[[datetime], int]], ...]] = (
    ("Rows of call data", storage.purge),
    ("Write-backs", write_backs.purge),
    ("Reservations of the mirror", forgetting.purge),
    ("Sightings of result codes", occurrences.purge),
    ("API tokens", tokens.purge),
    ("Sessions", sessions.purge),
    ("Attempts to log in", sign_in_attempts.purge),
    ("Exports", exports.purge),
    ("Drafts of forms", form_drafts.purge),
    # Last, since the other deletions may be recorded there.
    ("Audit events", retention.purge),
)


def apply_retention(now: datetime) -> dict[str, int]:
    """Delete data past its retention time at `now` (aware UTC); return the number by kind."""
    return {name: purge(now) for name, purge in _KINDS}
