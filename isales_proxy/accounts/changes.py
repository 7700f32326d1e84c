"""Audit events for changes of people, found by comparing their state before and after.

So changes by forms, by commands and by the effects of a role are all recorded. The events are
written at the end of the transaction, since the audit head is locked last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from isales_proxy.accounts import sessions
from isales_proxy.accounts.seeding import ADMINS
from isales_proxy.audit import services as audit
from isales_proxy.models import Access, AuditAction, User

_FIELDS: Final = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")
# Free text, which may contain a called number.
_TYPED: Final = frozenset({"first_name", "last_name", "email"})


_watching: ContextVar[bool] = ContextVar("callboard_people_watched", default=False)


@dataclass
class _Snapshot:
    user: User
    facts: dict[str, Any]
    password: str
    access: dict[int, dict[str, str]] = field(default_factory=dict)


@contextmanager
def record_changes(*, by: User | None, people: Iterable[int]) -> Iterator[set[int]]:
    """Record the changes of these people, by primary key, at the end of one transaction.

    The people are locked at its start. Yields the set of keys, to which the caller adds new people.
    """
    with transaction.atomic():
        touched = set(people)
        User.objects.lock(touched)
        before = _snapshot(touched)
        token = _watching.set(True)
        try:
            yield touched
        finally:
            _watching.reset(token)
        after = _snapshot(touched)
        for key in sorted(touched):
            _record_person(by, before.get(key), after.get(key))


@receiver(post_save, sender=User, dispatch_uid="isales_proxy.people_watch")
def _record_command(instance: User, *, created: bool, raw: bool = False, **_more: object) -> None:
    """Record changes by Django's own commands: `createsuperuser` and `changepassword`."""
    if raw or _watching.get():
        return
    if created and instance.is_superuser:
        _record_person(None, None, _snapshot({instance.pk})[instance.pk])
    elif not created and getattr(instance, "_password", None) is not None:
        _record_password(None, instance)


def _snapshot(keys: set[int]) -> dict[int, _Snapshot]:
    found = {}
    for user in User.objects.filter(pk__in=keys).prefetch_related("groups", "user_permissions"):
        facts = {
            name: audit.mask_numbers(value) if name in _TYPED else value
            for name in _FIELDS
            if (value := getattr(user, name)) is not None
        }
        # Membership of that group follows from the roles, which are recorded.
        facts["groups"] = sorted(group.name for group in user.groups.all() if group.name != ADMINS)
        facts["permissions"] = sorted(each.codename for each in user.user_permissions.all())
        found[user.pk] = _Snapshot(user, facts, user.password)
    for row in Access.objects.filter(user__in=list(found)):
        found[row.user_id].access[row.vdn_id] = {
            "role": row.role,
            "agent_account": row.agent_account,
        }
    return found


def _record_person(by: User | None, before: _Snapshot | None, after: _Snapshot | None) -> None:
    person = after or before
    if person is None:
        return
    common: dict[str, Any] = {"by": by, "person": person.user, "subject": person.user.username}
    if not after:
        audit.record(
            AuditAction.PERSON_CHANGED, before=person.facts, after={}, deleted=True, **common
        )
    elif not before:
        given = {name: value for name, value in after.facts.items() if value not in ("", [], False)}
        audit.record(AuditAction.PERSON_CHANGED, before={}, after=given, **common)
    else:
        _record_difference(AuditAction.PERSON_CHANGED, before.facts, after.facts, **common)
        if before.password != after.password:
            _record_password(by, after.user)
    old = before.access if before else {}
    new = after.access if after else {}
    for vdn_id in sorted(old.keys() | new.keys()):
        _record_difference(
            AuditAction.ACCESS_CHANGED, old.get(vdn_id, {}), new.get(vdn_id, {}),
            vdn_id=vdn_id, **common,
        )  # fmt: skip


def _record_password(by: User | None, person: User) -> None:
    audit.record(AuditAction.PASSWORD_CHANGED, by=by, person=person, subject=person.get_username())
    if by != person:
        # The former password may be known to others: end their sessions and tokens.
        sessions.end_sessions_and_tokens(person=person, by=by, reason="password")


def _record_difference(
    action: AuditAction, before: dict[str, Any], after: dict[str, Any], **about: Any
) -> None:
    names = [
        name for name in (before | after) if (before.get(name) or "") != (after.get(name) or "")
    ]
    if names:
        audit.record(
            action,
            before={name: before[name] for name in names if name in before},
            after={name: after[name] for name in names if name in after},
            **about,
        )
