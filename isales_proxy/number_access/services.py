"""Searches by a number: told to the audit, and counted for who sees none.

Who sees half of a number could try the rest, whole number by whole number. So such a person may
search for so many different numbers a day; the audit itself holds the count. The same number again
costs nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import services as audit
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core.response_cache import hash_key
from isales_proxy.core.settings import get_privacy_settings
from isales_proxy.models import AuditAction, AuditEvent, User
from isales_proxy.number_access import audited, budgets
from isales_proxy.number_access.budgets import DailySearchLimitExceeded
from isales_proxy.privacy import masking


def count_search(scope: Scope, number: str) -> None:
    """The person asks for this number: told to the audit once in a while.

    The budget is one for lists, audit, call data, write-backs and the API, and a number of any
    length counts: some have six digits. To be called before anything is looked up. For who sees no
    numbers: raises SearchesSpent, and what the database raises when the search cannot be counted,
    since it must not go on uncounted.
    """
    if scope.can(Permission.SEE_NUMBERS):
        audited.record_search(scope, number)
        return
    if not masking.get_digits(number):
        return
    begin = budgets.get_start_of_day()
    facts = (scope.vdn.pk, scope.user_id, audit.fingerprint_number(number), begin.isoformat())
    key = f"searched:{hash_key('|'.join(map(str, facts)))}"
    if cache.get(key):
        return
    if not _count(scope, number, begin):
        raise DailySearchLimitExceeded(get_privacy_settings().number_searches_per_day)
    # Only now: what was refused must not pass the next time.
    cache.set(key, 1, audited.ONCE_IN_SECONDS)


def drop_disallowed_number(scope: Scope, query: ReservationQuery) -> ReservationQuery:
    """The question in which a row is looked up, without a number that the person may search for no
    more: whether the row is found there would tell whether it is of that number."""
    if query.called_no and not scope.can(Permission.SEE_NUMBERS):
        try:
            count_search(scope, query.called_no)
        except DailySearchLimitExceeded:
            return replace(query, called_no="")
    return query


def _count(scope: Scope, number: str, begin: datetime) -> bool:
    """Write the search down, if it was not just now; False for one number too many."""
    with transaction.atomic():
        # The person's turn: of two requests at once the second counts what the first has spent.
        User.objects.select_for_update(no_key=True).get(pk=scope.user_id)
        today = AuditEvent.objects.filter(actor_id=scope.user_id, at__gte=begin)
        same = Q(number_key__in=audit.fingerprint_number_with_all_keys(number))
        # Where the person sees numbers, in another VDN, they search for as many as they like.
        counted = today.filter(action=AuditAction.NUMBER_SEARCHED, detail__masked=True)
        found = counted.aggregate(
            numbers=Count("number_key", distinct=True),
            same=Count("pk", filter=same),
            told=Max("at", filter=same & Q(vdn_id=scope.vdn.pk)),
        )
        if not found["same"] and found["numbers"] >= (
            limit := get_privacy_settings().number_searches_per_day
        ):
            if not today.filter(action=AuditAction.SEARCHES_SPENT).exists():
                audit.record(AuditAction.SEARCHES_SPENT, by=scope, limit=limit)
            return False
        told = found["told"]
        if told is None or (timezone.now() - told).total_seconds() >= audited.ONCE_IN_SECONDS:
            audit.record(AuditAction.NUMBER_SEARCHED, by=scope, number=number, masked=True)
    return True
