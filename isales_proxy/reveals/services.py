"""Reveals: one masked number shown to one person for a short while, for a reason, within a budget.

Every reveal is recorded in the audit before the number is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import Error

from isales_proxy.access import Permission, Scope, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.models import AuditAction
from isales_proxy.number_access.services import BudgetExceeded, get_start_of_day, lock_events_of_day
from isales_proxy.outbound.queries import get_unmasked_datum
from isales_proxy.privacy import masking
from isales_proxy.reservations import services as reservations
from isales_proxy.write_backs import queries as write_backs

log = structlog.get_logger("isales")

SECONDS: Final = 30
"""Duration of a reveal on the screen."""

SHORTEST_REASON: Final = 3
LONGEST_REASON: Final = 300

_DAY_SECONDS: Final = 24 * 60 * 60
_REFUSALS_RECORDED: Final = frozenset({10, 100, 1_000, 10_000, 100_000, 1_000_000})


class BudgetSpent(BudgetExceeded):
    """The person has used up the reveals of the day."""


class NotAudited(RuntimeError):
    """The audit cannot be written, so nothing is shown."""


@dataclass(frozen=True)
class Revealed:
    """The unmasked numbers, how long to show them, and the number of reveals `left` today."""

    called: tuple[str, ...] = field(repr=False)
    caller: str = field(repr=False)
    left: int
    seconds: int = SECONDS


def reveal_reservation(
    *, scope: Scope, appoint_id: str, reason: str, query: ReservationQuery | None = None
) -> Revealed:
    """Reveal the numbers of a reservation; `query` is that of the list that showed it.

    Raises PermissionMissing, VdnNotFound, BudgetSpent, NotAudited, ISalesError, and ValueError for
    a reason of a wrong length.
    """
    _check_request(scope, reason)
    found = reservations.get_unmasked_for_service(scope=scope, appoint_id=appoint_id, query=query)
    if found is None:
        raise VdnNotFound
    called = (found.row.called_no,) if found.row.called_no else ()
    return _reveal(scope, called, found.row.caller_no or "", subject=appoint_id, reason=reason)


def reveal_datum(*, scope: Scope, datum_id: int, reason: str) -> Revealed:
    """Reveal the numbers of a row of call data.

    Raises like `reveal_reservation`, but for ISalesError.
    """
    _check_request(scope, reason)
    scope.require(Permission.SEE_OUTBOUND)
    row = get_unmasked_datum(scope, datum_id)
    subject = f"call data {row.batch_id}/{row.position}"
    return _reveal(scope, tuple(row.numbers), row.caller_number, subject=subject, reason=reason)


def reveal_write_back(*, scope: Scope, pk: int, reason: str) -> Revealed:
    """Reveal the number of a write-back. Raises like `reveal_reservation`, but for ISalesError."""
    _check_request(scope, reason)
    scope.require(Permission.SEE_OUTBOUND)
    row = write_backs.get_unmasked(scope, pk)
    called = (row.phone_number,) if row.phone_number else ()
    return _reveal(scope, called, "", subject=f"write-back {pk}", reason=reason)


def _check_request(scope: Scope, reason: str) -> None:
    scope.require(Permission.REVEAL_NUMBERS)
    if not SHORTEST_REASON <= len(reason.strip()) <= LONGEST_REASON:
        raise ValueError("reason")


def _reveal(
    scope: Scope, called: tuple[str, ...], caller: str, *, subject: str, reason: str
) -> Revealed:
    numbers = called or ((caller,) if caller else ())
    if not numbers:
        raise VdnNotFound
    try:
        left = _spend(scope, numbers, subject=subject, reason=reason)
    except Error as error:
        log.error("reveal_not_audited", error=type(error).__name__)
        raise NotAudited from error
    if left < 0:
        raise BudgetSpent(settings.PRIVACY.reveals_per_day)
    return Revealed(called, caller, left)


def _spend(scope: Scope, numbers: Sequence[str], *, subject: str, reason: str) -> int:
    """Record the reveals and return how many are left; if negative, nothing was recorded."""
    begin = get_start_of_day()
    with lock_events_of_day(scope, begin) as today:
        spent = today.matching(actions=[AuditAction.NUMBER_REVEALED]).count()
        left = settings.PRIVACY.reveals_per_day - spent - len(numbers)
        if left < 0:
            # Of the refusals of a day the 1st, 10th, 100th … are recorded.
            if not today.matching(actions=[AuditAction.NUMBER_WITHHELD]).exists():
                _record(AuditAction.NUMBER_WITHHELD, scope, numbers[0], subject, reason)
            elif (count := _count_refusal(scope, begin)) in _REFUSALS_RECORDED:
                audit.record(AuditAction.NUMBER_WITHHELD, by=scope, times=count)
            return left
        for number in numbers:
            _record(AuditAction.NUMBER_REVEALED, scope, number, subject, reason)
    return left


def _record(action: AuditAction, scope: Scope, number: str, subject: str, reason: str) -> None:
    # Readers of the audit may lack SEE_NUMBERS.
    reason = masking.mask_text(reason)
    audit.record(action, by=scope, subject=subject, reason=reason, number=number)


def _count_refusal(scope: Scope, begin: datetime) -> int:
    """Count a refusal and return the number of those since `begin`; 0 without a cache."""
    key = f"refused:{scope.user_id}:{begin:%Y%m%d}"
    cache.add(key, 1, _DAY_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:
        return 0
