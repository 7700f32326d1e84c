"""Audit events for changes of people, found by comparing before and after.

Looked at before and after, so that no way of changing a person (a form, a command, what follows
from a role) goes unseen; told last in the transaction, as the audit wants it.
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
from isales_proxy.accounts.locks import lock_people
from isales_proxy.accounts.seeding import ADMINS
from isales_proxy.audit import services as audit
from isales_proxy.audit.event_data import mask_numbers
from isales_proxy.models import Access, AuditAction, User

_FIELDS: Final = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")
# A name or an address that somebody typed may hold a number.
_TYPED: Final = frozenset({"first_name", "last_name", "email"})


_watching: ContextVar[bool] = ContextVar("callboard_people_watched", default=False)


@dataclass
class _Person:
    user: User
    facts: dict[str, Any]
    password: str
    access: dict[int, dict[str, str]] = field(default_factory=dict)


@contextmanager
def record_changes(*, by: User | None, people: Iterable[int]) -> Iterator[set[int]]:
    """One transaction whose changes of these people, by their keys, are recorded at its end.

    The people are held from its beginning on.

    Gives the set of keys: people who are new are put into it.
    """
    with transaction.atomic():
        touched = set(people)
        lock_people(touched)
        before = _seen(touched)
        token = _watching.set(True)
        try:
            yield touched
        finally:
            _watching.reset(token)
        after = _seen(touched)
        for key in sorted(touched):
            _tell(by, before.get(key), after.get(key))


@receiver(post_save, sender=User, dispatch_uid="isales_proxy.people_watch")
def _unwatched(instance: User, *, created: bool, raw: bool = False, **_more: object) -> None:
    """Return what Django's own commands do: `createsuperuser` and `changepassword`."""
    if raw or _watching.get():
        return
    if created and instance.is_superuser:
        _tell(None, None, _seen({instance.pk})[instance.pk])
    elif not created and getattr(instance, "_password", None) is not None:
        _tell_password(None, instance)


def _seen(keys: set[int]) -> dict[int, _Person]:
    found = {}
    for user in User.objects.filter(pk__in=keys).prefetch_related("groups", "user_permissions"):
        facts = {
            name: mask_numbers(value) if name in _TYPED else value
            for name in _FIELDS
            if (value := getattr(user, name)) is not None
        }
        # Membership of that group follows from the roles, which are told as such.
        facts["groups"] = sorted(group.name for group in user.groups.all() if group.name != ADMINS)
        facts["permissions"] = sorted(each.codename for each in user.user_permissions.all())
        found[user.pk] = _Person(user, facts, user.password)
    for row in Access.objects.filter(user__in=list(found)):
        found[row.user_id].access[row.vdn_id] = {
            "role": row.role,
            "agent_account": row.agent_account,
        }
    return found


def _tell(by: User | None, before: _Person | None, after: _Person | None) -> None:
    person = after or before
    if person is None:
        return
    about: dict[str, Any] = {"by": by, "person": person.user, "subject": person.user.username}
    if not after:
        audit.record(
            AuditAction.PERSON_CHANGED, before=person.facts, after={}, deleted=True, **about
        )
    elif not before:
        audit.record(AuditAction.PERSON_CHANGED, before={}, after=_set(after.facts), **about)
    else:
        _tell_difference(AuditAction.PERSON_CHANGED, before.facts, after.facts, **about)
        if before.password != after.password:
            _tell_password(by, after.user)
    old = before.access if before else {}
    new = after.access if after else {}
    for vdn_id in sorted(old.keys() | new.keys()):
        _tell_difference(
            AuditAction.ACCESS_CHANGED, old.get(vdn_id, {}), new.get(vdn_id, {}),
            vdn_id=vdn_id, **about,
        )  # fmt: skip


def _tell_password(by: User | None, person: User) -> None:
    audit.record(AuditAction.PASSWORD_CHANGED, by=by, person=person, subject=person.get_username())
    if by != person:
        # Whoever sets somebody else's password wants the old one's holder out, programs too.
        sessions.end_sessions_and_tokens(person=person, by=by, reason="password")


def _tell_difference(
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


def _set(facts: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty: a new person has no more than what was said."""
    return {name: value for name, value in facts.items() if value not in ("", [], False)}
