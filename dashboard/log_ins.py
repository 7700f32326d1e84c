"""Log-ins in the audit: those that came in, those that failed, who was locked out, who left.

A stranger can fail as often as they like, so what they can write is bounded: failures one by one up
to so many a minute in all, of the rest that there were more; a lock-out once in five minutes for
each address, and likewise once a minute that an address sends more than is answered. Every failure
is counted for `/metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.core.cache import cache
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone
from prometheus_client import Counter

from isales_proxy.models import AuditAction, AuditEvent, User
from isales_proxy.services import audit
from isales_proxy.services.answers import digest

FAILED: Final = Counter("callboard_log_ins_failed_total", "Log-ins that failed or were locked out.")
MOST_A_MINUTE: Final = 60
_MINUTE: Final = timedelta(minutes=1)
_LOCKED: Final = timedelta(minutes=5)
_LONGEST_NAME: Final = 150
_TOO_MANY: Final = "too many requests"


@receiver(user_logged_in, dispatch_uid="dashboard.log_ins")
def _came_in(user: User, **_more: object) -> None:
    audit.record(AuditAction.LOGGED_IN, by=user, person=user, subject=user.username)


@receiver(user_logged_out, dispatch_uid="dashboard.log_ins")
def _left(user: User | None, **_more: object) -> None:
    if user is not None:
        audit.record(AuditAction.LOGGED_OUT, by=user, person=user, subject=user.username)


@receiver(user_login_failed, dispatch_uid="dashboard.log_ins")
def _failed(credentials: Mapping[str, Any], **_more: object) -> None:
    failed(str(credentials.get("username", "")))


@receiver(authentication_failed, dispatch_uid="dashboard.log_ins")
def _failed_by_factor(user: User, **_more: object) -> None:
    failed(user.username, reason="second factor")


def failed(name: str, *, reason: str = "") -> None:
    """Somebody who calls themselves `name` could not prove it; `reason` if not by a password."""
    FAILED.inc()
    there = _lately(AuditAction.LOG_IN_FAILED, _MINUTE).count()
    if there < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_FAILED, name, reason=reason)
    elif there == MOST_A_MINUTE:
        audit.record(AuditAction.LOG_IN_FAILED, by=None, more_than=MOST_A_MINUTE)


def locked(name: str) -> None:
    """Somebody tries on although they failed too often; told once for each address and person."""
    FAILED.inc()
    person = _known(name)
    told = _lately(AuditAction.LOG_IN_LOCKED, _LOCKED)
    same = told.filter(address=audit.address(), person_id=person.pk if person else None)
    if not same.exists() and told.count() < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_LOCKED, name)


def too_many(person: User | None) -> None:
    """An address or a person sends more than is answered; told once a minute for each address."""
    FAILED.inc()
    if not cache.add(f"too-many:{digest(audit.address())}", 1, _MINUTE.seconds):
        return
    told = _lately(AuditAction.LOG_IN_LOCKED, _MINUTE)
    # Of the cache's word alone a flood could be made where the cache is away.
    same = told.filter(address=audit.address(), reason=_TOO_MANY)
    if not same.exists() and told.count() < MOST_A_MINUTE:
        name = person.get_username() if person else "?"
        audit.record(
            AuditAction.LOG_IN_LOCKED, by=None, claimed=name, person=person, reason=_TOO_MANY
        )


def _lately(action: AuditAction, span: timedelta) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(action=action, at__gt=timezone.now() - span)


def _record(action: AuditAction, name: str, *, reason: str = "") -> None:
    name = name[:_LONGEST_NAME]
    audit.record(action, by=None, claimed=name or "?", person=_known(name), reason=reason)


def _known(name: str) -> User | None:
    return User.objects.filter(username=name[:_LONGEST_NAME]).first() if name else None
