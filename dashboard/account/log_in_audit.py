"""Log-ins in the audit: successful, failed, locked out, ended.

The number of events is limited, since a stranger can cause any number of failures: `MOST_A_MINUTE`
failures, then one event for the others; a lock-out once in five minutes for each address and
person; too many requests once a minute for each address. All are counted for `/metrics`.
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
    """Record a failed log-in as `name`; `reason` is "" for a wrong password."""
    FAILED.inc()
    count = _select_recent(AuditAction.LOG_IN_FAILED, _MINUTE).count()
    if count < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_FAILED, name, reason=reason)
    elif count == MOST_A_MINUTE:
        audit.record(AuditAction.LOG_IN_FAILED, by=None, more_than=MOST_A_MINUTE)


def record_locked_out(name: str) -> None:
    """Record a lock-out, once in five minutes for each address and person."""
    FAILED.inc()
    person = User.objects.find_by_username(name) if name else None
    recent = _select_recent(AuditAction.LOG_IN_LOCKED, _LOCKED)
    same = recent.filter(address=audit.current_address(), person_id=person.pk if person else None)
    if not same.exists() and recent.count() < MOST_A_MINUTE:
        _record(AuditAction.LOG_IN_LOCKED, name)


def record_throttled(person: User | None) -> None:
    """Record too many requests, once a minute for each address."""
    FAILED.inc()
    if not cache.add(f"too-many:{hash_key(audit.current_address())}", 1, _MINUTE.seconds):
        return
    recent = _select_recent(AuditAction.LOG_IN_LOCKED, _MINUTE)
    # The cache may be unavailable, so the database is asked as well.
    same = recent.filter(address=audit.current_address(), reason=_TOO_MANY)
    if not same.exists() and recent.count() < MOST_A_MINUTE:
        name = person.get_username() if person else "?"
        audit.record(
            AuditAction.LOG_IN_LOCKED, by=None, claimed=name, person=person, reason=_TOO_MANY
        )


def _select_recent(action: AuditAction, span: timedelta) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(action=action, at__gt=timezone.now() - span)


def _record(action: AuditAction, name: str, *, reason: str = "") -> None:
    name = name[:_LONGEST_NAME]
    person = User.objects.find_by_username(name) if name else None
    if person is not None:
        claimed = person.get_username()
    else:
        claimed = _abbreviate_unknown(name) if name else "?"
        if name and User.objects.is_taken(name):
            reason = reason or "several people have this user name"
    audit.record(action, by=None, claimed=claimed, person=person, reason=reason)


def _abbreviate_unknown(name: str) -> str:
    """Abbreviate a user name that does not exist, such as `m… (qkzvhdwa)`.

    It may be a password in the wrong field. The fingerprint shows which names are equal; it is
    keyed with this installation's secret, and in letters so that it does not look like a number.
    """
    key = encryption.derive_key("audit-unknown-name")
    digest = hmac.new(key, comparable_username(name).encode(), sha256).digest()
    fingerprint = "".join(ascii_lowercase[byte % 26] for byte in digest[:8])
    return f"{name[0]}… ({fingerprint})"
