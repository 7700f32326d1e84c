"""Number searches and views: recorded in the audit, and limited per day without number access.

A person who sees half of a number could find the rest by searching for complete numbers. So a
person without SEE_NUMBERS may search for a limited number of different numbers per day, counted by
the audit events. Repeated searches for one number are not counted.

With SEE_NUMBERS searches and views are possible while the audit cannot be written, since people
need the list to work. Reveals and exports are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core.database import optional_write
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import AuditAction, AuditEvent, User
from isales_proxy.models.audit import AuditEventQuerySet
from isales_proxy.privacy.phone_numbers import SearchedNumber

RECORD_INTERVAL: Final = 10 * 60
"""Seconds in which the same search or view is recorded once."""
# A shorter text is recorded while a number is being typed.
_MIN_RECORDED_DIGITS: Final = 4


class BudgetExceeded(RuntimeError):
    """A daily budget of `limit` is used up; the next day begins in `seconds`."""

    def __init__(self, limit: int) -> None:
        super().__init__("The budget of the day is spent.")
        now = timezone.now()
        self.limit = limit
        self.seconds = max(1, int((_get_midnight(now, days=1) - now).total_seconds()))


class DailySearchLimitExceeded(BudgetExceeded):
    """A person without number access has searched for too many different numbers today."""


def count_search(scope: Scope, number: SearchedNumber) -> None:
    """Record a search for a number, before it is made; at most once per interval.

    Without SEE_NUMBERS it counts towards one daily limit for lists, audit, call data, write-backs
    and API, whatever the length of the number. Raises DailySearchLimitExceeded, and database errors
    if the search cannot be counted.
    """
    if scope.can(Permission.SEE_NUMBERS):
        if len(number.digits) >= _MIN_RECORDED_DIGITS:
            _record_once(AuditAction.NUMBER_SEARCHED, scope, number=number.text)
        return
    if not number.digits:
        return
    begin = get_start_of_day()
    facts = (scope.vdn.pk, scope.user_id, audit.fingerprint_number(number.text), begin.isoformat())
    key = f"searched:{hash_key('|'.join(map(str, facts)))}"
    if cache.get(key):
        return
    if not _record_within_limit(scope, number.text, begin):
        raise DailySearchLimitExceeded(settings.PRIVACY.number_searches_per_day)
    # Not earlier: a refused number must be refused again.
    cache.set(key, 1, RECORD_INTERVAL)


def count_complete_number(scope: Scope, text: str) -> str:
    """Count the search if the text is a complete number, and return the number, else "".

    Raises like `count_search`.
    """
    number = SearchedNumber.parse(text)
    if not number.is_complete:
        return ""
    count_search(scope, number)
    return number.text


def record_audit_search(*, scope: Scope, number: str) -> None:
    """Record a search for a number's events in the audit, at most once per interval.

    Raises PermissionMissing without SEE_AUDIT and DailySearchLimitExceeded like `count_search`.
    """
    scope.require(Permission.SEE_AUDIT)
    if not scope.can(Permission.SEE_NUMBERS):
        # The events reveal which reservation has the number.
        count_search(scope, SearchedNumber.parse(number))
    _record_once(AuditAction.AUDIT_READ, scope, number=number)


def drop_disallowed_number(scope: Scope, query: ReservationQuery) -> ReservationQuery:
    """Remove the number from the query for a single row if the daily limit is exceeded.

    Otherwise finding the row would reveal that it has that number.
    """
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        try:
            count_search(scope, SearchedNumber.parse(query.called_no))
        except DailySearchLimitExceeded:
            return replace(query, called_no="")
    return query


def record_view(scope: Scope, *, subject: str, number: str) -> None:
    """Record that a person viewed the number of `subject`; at most once per interval."""
    if number:
        _record_once(AuditAction.NUMBER_VIEWED, scope, number=number, subject=subject)


def get_start_of_day() -> datetime:
    """Return the beginning (aware) of the current day in `TIME_ZONE`.

    The zones of VDNs are not used, since a person may have access to VDNs in several zones.
    """
    return _get_midnight(timezone.now())


@contextmanager
def lock_events_of_day(scope: Scope, begin: datetime) -> Iterator[AuditEventQuerySet]:
    """Select the person's events since `begin`, in a transaction that locks the person, so that
    concurrent requests count each other's events."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=scope.user_id)
        yield AuditEvent.objects.filter(actor_id=scope.user_id, at__gte=begin)


def _get_midnight(now: datetime, *, days: int = 0) -> datetime:
    zone = timezone.get_default_timezone()
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(), zone)


def _record_once(action: AuditAction, scope: Scope, *, number: str, subject: str = "") -> None:
    facts = "|".join((action.value, str(scope.vdn.pk), str(scope.user_id), subject, number))
    key = f"audited:{hash_key(facts)}"
    if not cache.add(key, 1, RECORD_INTERVAL):
        return
    written = optional_write(
        lambda: audit.record(action, by=scope, number=number, subject=subject),
        "number_not_audited",
        action=action.value,
    )
    if not written:
        cache.delete(key)


def _record_within_limit(scope: Scope, number: str, begin: datetime) -> bool:
    """Record the search unless it was recorded just now; return False beyond the limit."""
    with lock_events_of_day(scope, begin) as today:
        same = Q(number_key__in=audit.fingerprint_number_with_all_keys(number))
        # Searches in a VDN where the person sees numbers are not limited.
        counted = today.filter(action=AuditAction.NUMBER_SEARCHED, detail__masked=True)
        found = counted.aggregate(
            numbers=Count("number_key", distinct=True),
            same=Count("pk", filter=same),
            recorded_at=Max("at", filter=same & Q(vdn_id=scope.vdn.pk)),
        )
        if not found["same"] and found["numbers"] >= (
            limit := settings.PRIVACY.number_searches_per_day
        ):
            if not today.matching(actions=[AuditAction.SEARCHES_SPENT]).exists():
                audit.record(AuditAction.SEARCHES_SPENT, by=scope, limit=limit)
            return False
        recorded_at = found["recorded_at"]
        if recorded_at is None or timezone.now() - recorded_at >= timedelta(
            seconds=RECORD_INTERVAL
        ):
            audit.record(AuditAction.NUMBER_SEARCHED, by=scope, number=number, masked=True)
    return True
