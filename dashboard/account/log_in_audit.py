"""Log-ins in the audit: successful, failed, locked out, ended.

A stranger can fail as often as they like, so what they can write is bounded: failures one by one up
to so many a minute in all, of the rest that there were more; a lock-out once in five minutes for
each address, and likewise once a minute that an address sends more than is answered. Every failure
is counted for `/metrics`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from string import ascii_lowercase
from typing import Any, Final

from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.core.cache import cache
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone
from prometheus_client import Counter

from isales_proxy.audit import services as audit
from isales_proxy.core import encryption
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import AuditAction, AuditEvent, User, comparable_username

FAILED: Final = Counter("callboard_log_ins_failed_total", "Log-ins that failed or were locked out.")
MOST_A_MINUTE: Final = 60
_MINUTE: Final = timedelta(minutes=1)
_LOCKED: Final = timedelta(minutes=5)
_LONGEST_NAME: Final = 150
_TOO_MANY: Final = "too many requests"


@receiver(user_logged_in, dispatch_uid="dashboard.account.log_in_audit")
def _record_log_in(user: User, **_more: object) -> None:
    audit.record(AuditAction.LOGGED_IN, by=user, person=user, subject=user.username)


@receiver(user_logged_out, dispatch_uid="dashboard.account.log_in_audit")
def _record_log_out(user: User | None, **_more: object) -> None:
    if user is not None:
        audit.record(AuditAction.LOGGED_OUT, by=user, person=user, subject=user.username)


@receiver(user_login_failed, dispatch_uid="dashboard.account.log_in_audit")
def _record_failure(credentials: Mapping[str, Any], **_more: object) -> None:
    record_failed(str(credentials.get("username", "")))


@receiver(authentication_failed, dispatch_uid="dashboard.account.log_in_audit")
def _record_factor_failure(user: User, **_more: object) -> None:
    record_failed(user.username, reason="second factor")


def record_failed(name: str, *, reason: str = "") -> None:
    """Record a failed log-in as `name`; `reason` if it was not the password."""
    FAILED.inc()
    there = _select_recent(AuditAction.LOG_IN_FAILED, _MINUTE).count()
    if there < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_FAILED, name, reason=reason)
    elif there == MOST_A_MINUTE:
        audit.record(AuditAction.LOG_IN_FAILED, by=None, more_than=MOST_A_MINUTE)


def record_locked_out(name: str) -> None:
    """Record a log-in that is locked out, once for each address and person."""
    FAILED.inc()
    person = User.objects.named(name) if name else None
    told = _select_recent(AuditAction.LOG_IN_LOCKED, _LOCKED)
    same = told.filter(address=audit.current_address(), person_id=person.pk if person else None)
    if not same.exists() and told.count() < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_LOCKED, name)


def record_throttled(person: User | None) -> None:
    """Record that an address or person sends too many requests, once a minute for each address."""
    FAILED.inc()
    if not cache.add(f"too-many:{hash_key(audit.current_address())}", 1, _MINUTE.seconds):
        return
    told = _select_recent(AuditAction.LOG_IN_LOCKED, _MINUTE)
    # Of the cache's word alone a flood could be made where the cache is away.
    same = told.filter(address=audit.current_address(), reason=_TOO_MANY)
    if not same.exists() and told.count() < MOST_A_MINUTE:
        name = person.get_username() if person else "?"
        audit.record(
            AuditAction.LOG_IN_LOCKED, by=None, claimed=name, person=person, reason=_TOO_MANY
        )


def _select_recent(action: AuditAction, span: timedelta) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(action=action, at__gt=timezone.now() - span)


def _record(action: AuditAction, name: str, *, reason: str = "") -> None:
    name = name[:_LONGEST_NAME]
    person = User.objects.named(name) if name else None
    if person is not None:
        claimed = person.get_username()
    else:
        claimed = _abbreviate_unknown(name) if name else "?"
        if name and User.objects.is_taken(name):
            reason = reason or "several people have this user name"
    audit.record(action, by=None, claimed=claimed, person=person, reason=reason)


def _abbreviate_unknown(name: str) -> str:
    """Return what is kept of a user name that nobody has, such as `m… (qkzvhdwa)`.

    It may be a password typed into the wrong field. The fingerprint, in letters alone lest it look
    like a number, is keyed with this installation's secret: equal names are seen to be equal.
    """
    key = encryption.derive_key("audit-unknown-name")
    digest = hmac.new(key, comparable_username(name).encode(), sha256).digest()
    fingerprint = "".join(ascii_lowercase[byte % 26] for byte in digest[:8])
    return f"{name[0]}… ({fingerprint})"
