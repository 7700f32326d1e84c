"""Audit events for changes of groups, whose members have their permissions.

Whichever way a group is changed it is seen; who did it is known within `changed_by`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver

from isales_proxy.accounts import seeding
from isales_proxy.audit import services as audit
from isales_proxy.audit.event_data import mask_numbers
from isales_proxy.models import AuditAction, User

_by: ContextVar[User | None] = ContextVar("callboard_groups_by", default=None)
_BEFORE: Final = "_callboard_before"
# The fact under which the permissions stand that came or went.
_MOVED: Final = {"post_add": "put", "post_remove": "taken", "pre_clear": "taken"}


@contextmanager
def attribute_changes_to(person: User) -> Iterator[None]:
    """Return what is done to groups inside is this person's deed."""
    token = _by.set(person)
    try:
        yield
    finally:
        _by.reset(token)


@receiver(pre_save, sender=Group, dispatch_uid="isales_proxy.groups")
def _before_save(instance: Group, **_more: object) -> None:
    name = Group.objects.filter(pk=instance.pk).values_list("name", flat=True).first()
    setattr(instance, _BEFORE, {"name": mask_numbers(name)} if name is not None else {})


@receiver(post_save, sender=Group, dispatch_uid="isales_proxy.groups")
def _saved(instance: Group, **_more: object) -> None:
    before, after = getattr(instance, _BEFORE), {"name": mask_numbers(instance.name)}
    if before != after:
        _tell(instance, before=before, after=after)


@receiver(pre_delete, sender=Group, dispatch_uid="isales_proxy.groups")
def _before_delete(instance: Group, **_more: object) -> None:
    facts = {
        "name": mask_numbers(instance.name),
        "permissions": _codes(instance.permissions.all()),
        "members": User.objects.filter(groups=instance).count(),
    }
    setattr(instance, _BEFORE, facts)


@receiver(post_delete, sender=Group, dispatch_uid="isales_proxy.groups")
def _deleted(instance: Group, **_more: object) -> None:
    _tell(instance, before=getattr(instance, _BEFORE), after={}, deleted=True)


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="isales_proxy.groups")
def _moved(
    instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_more: object
) -> None:
    fact = _MOVED.get(action)
    if fact is None or pk_set == set():
        return
    chosen = {} if pk_set is None else {"pk__in": pk_set}
    if reverse:
        for group in Group.objects.filter(**chosen) if chosen else instance.group_set.all():
            _tell(group, **{fact: _codes([instance])})
        return
    moved = Permission.objects.filter(**chosen) if chosen else instance.permissions.all()
    if codes := _codes(moved):
        _tell(instance, **{fact: codes})


def _codes(permissions: Iterable[Permission]) -> list[str]:
    return sorted(permission.codename for permission in permissions)


def _tell(group: Group, **facts: Any) -> None:
    # What follows from a migrate is nobody's deed, and the audit may not be there yet.
    if not seeding.under_way.get():
        subject = f"group {mask_numbers(group.name)}"
        audit.record(AuditAction.GROUP_CHANGED, by=_by.get(), subject=subject, **facts)
