"""Sessions of people: which there are, and how they are ended from elsewhere.

Ending deletes the session in the database and in the cache: the browser's next request is one of a
stranger.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import transaction

from isales_proxy.accounts import tokens
from isales_proxy.accounts.locks import lock_people
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, User

MOST: Final = 20
"""How many sessions a person may have open at once."""


def record_start(*, user: User, key: str, address: str, user_agent: str) -> None:
    """Note a session that has just begun. Where it is one too many the oldest end."""
    longest = UserSession._meta.get_field("user_agent").max_length  # noqa: SLF001 - Django's public name
    UserSession.objects.update_or_create(
        session_key=key,
        defaults={"user": user, "ip": address, "user_agent": user_agent[:longest]},
    )
    _end_oldest(user)


def record_activity(*, key: str, address: str, now: datetime) -> bool:
    """Note that a person acted in the session; False if it was never noted to have begun."""
    return bool(UserSession.objects.filter(session_key=key).update(last_seen_at=now, ip=address))


def get_active(user: User) -> list[Any]:
    """The sessions that are still good, the youngest first: `pk`, `ip`, `user_agent` and times."""
    # Those that are over are deleted by `purge`: a page that is only read writes nothing.
    found = [each for each in UserSession.objects.filter(user=user) if each.exists()]
    return sorted(found, key=lambda session: session.created_at, reverse=True)


def end_session(*, person: User, number: int, by: User) -> bool:
    """End one session of the person; False if they have none of that number."""
    found = UserSession.objects.filter(user_id=person.pk, pk=number)
    return bool(_end(found, person=person, by=by, reason="one"))


def end_all(*, person: User, by: User | None, but: str = "", reason: str = "all") -> int:
    """End all sessions of the person but the one of that key; gives how many."""
    found = UserSession.objects.filter(user_id=person.pk).exclude(session_key=but)
    return _end(found, person=person, by=by, reason=reason)


def end_sessions_and_tokens(*, person: User, by: User | None, reason: str = "all") -> int:
    """End all sessions and API tokens of the person, who may be somebody else by now; how many.

    `by` None is the system itself: a command of the operator's.
    """
    with transaction.atomic():
        lock_people([person.pk])
        ended = end_all(person=person, by=by, reason=reason)
        return ended + tokens.revoke_all(person=person, by=by)


def purge(now: datetime) -> int:
    """Delete those that are over at `now`, with the addresses they came from; gives how many."""
    Session.objects.filter(expire_date__lt=now).delete()
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return int(UserSession.objects.filter(created_at__lt=now - longest).delete()[0])


def _end_oldest(user: User) -> None:
    rows = UserSession.objects.filter(user_id=user.pk).order_by("-last_seen_at", "-pk")
    keys = list(rows.values_list("session_key", flat=True)[MOST:])
    if not keys:
        return
    Session.objects.filter(session_key__in=keys).delete()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    caches[settings.SESSION_CACHE_ALIAS].delete_many([store.cache_key_prefix + key for key in keys])
    UserSession.objects.filter(session_key__in=keys).delete()
    audit.record(
        AuditAction.SESSION_REVOKED,
        by=None,
        person=user,
        subject=user.get_username(),
        sessions=len(keys),
        which="oldest",
    )


def _end(found: Iterable[Any], *, person: User, by: User | None, reason: str) -> int:
    ended = 0
    for session in found:
        # What ran out long ago was no session any more.
        ended += bool(session.exists())
        session.end()
    if ended:
        audit.record(
            AuditAction.SESSION_REVOKED,
            by=by,
            person=person,
            subject=person.get_username(),
            sessions=ended,
            which=reason,
        )
    return ended
