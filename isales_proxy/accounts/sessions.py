"""Active sessions of people.

An ended session is deleted in database and cache: the browser's next request is anonymous.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction

from isales_proxy.accounts import tokens
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, User

MAX_SESSIONS: Final = 20
"""Largest number of sessions of a person."""


def record_start(*, user: User, key: str, address: str, user_agent: str) -> None:
    """Record the start of a session. Beyond `MAX_SESSIONS`, the oldest are ended."""
    longest = UserSession._meta.get_field("user_agent").max_length  # noqa: SLF001 - Django's public name
    UserSession.objects.update_or_create(
        session_key=key,
        defaults={"user": user, "ip": address, "user_agent": user_agent[:longest]},
    )
    rows = UserSession.objects.filter(user_id=user.pk).order_by("-last_seen_at", "-pk")
    oldest = list(rows[MAX_SESSIONS:])
    for session in oldest:
        session.end()
    if oldest:
        _record_end(user, by=None, count=len(oldest), reason="oldest")


def record_activity(*, key: str, address: str, now: datetime) -> bool:
    """Record activity in a session; return False if its start was not recorded."""
    return bool(UserSession.objects.filter(session_key=key).update(last_seen_at=now, ip=address))


def get_active(user: User) -> list[Any]:
    """Return the valid sessions, newest first: `pk`, `ip`, `user_agent` and times."""
    # Ended ones are deleted by `purge`: a GET writes nothing.
    found = [each for each in UserSession.objects.filter(user=user) if each.exists()]
    return sorted(found, key=lambda session: session.created_at, reverse=True)


def end_session(*, person: User, number: int, by: User) -> bool:
    """End the person's session with this primary key; return False if there is none."""
    found = UserSession.objects.filter(user_id=person.pk, pk=number)
    return bool(_end(found, person=person, by=by, reason="one"))


def end_all(*, person: User, by: User | None, except_key: str = "", reason: str = "all") -> int:
    """End all sessions of the person except `except_key`; return how many."""
    found = UserSession.objects.filter(user_id=person.pk).exclude(session_key=except_key)
    return _end(found, person=person, by=by, reason=reason)


def end_sessions_and_tokens(*, person: User, by: User | None, reason: str = "all") -> int:
    """End all sessions and API tokens of a person; return how many.

    `by` is None for commands and other actions of the system.
    """
    with transaction.atomic():
        User.objects.lock([person.pk])
        ended = end_all(person=person, by=by, reason=reason)
        return ended + tokens.revoke_all(person=person, by=by)


def purge(now: datetime) -> int:
    """Delete sessions that have ended; return how many."""
    Session.objects.filter(expire_date__lt=now).delete()
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return int(UserSession.objects.filter(created_at__lt=now - longest).delete()[0])


def _end(found: Iterable[Any], *, person: User, by: User | None, reason: str) -> int:
    ended = 0
    for session in found:
        # An expired session is not counted.
        ended += bool(session.exists())
        session.end()
    if ended:
        _record_end(person, by=by, count=ended, reason=reason)
    return ended


def _record_end(person: User, *, by: User | None, count: int, reason: str) -> None:
    audit.record(
        AuditAction.SESSION_REVOKED,
        by=by,
        person=person,
        subject=person.get_username(),
        sessions=count,
        which=reason,
    )
