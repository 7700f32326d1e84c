"""Audit events for changes of groups, recorded by signals and so however they are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver

from isales_proxy.accounts import seeding
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, User

_by: ContextVar[User | None] = ContextVar("callboard_groups_by", default=None)
_BEFORE: Final = "_callboard_before"
# Name of the audited fact that lists the permissions added or removed.
_PERMISSION_FACTS: Final = {"post_add": "put", "post_remove": "taken", "pre_clear": "taken"}


@contextmanager
def attribute_changes_to(person: User | AnonymousUser) -> Iterator[None]:
    """Attribute the changes of groups within the block to this person."""
    token = _by.set(person if isinstance(person, User) else None)
    try:
        yield
    finally:
        _by.reset(token)


@receiver(pre_save, sender=Group, dispatch_uid="isales_proxy.groups")
def _remember_before_save(instance: Group, **_more: object) -> None:
    name = Group.objects.filter(pk=instance.pk).values_list("name", flat=True).first()
    setattr(instance, _BEFORE, {"name": audit.mask_numbers(name)} if name is not None else {})


@receiver(post_save, sender=Group, dispatch_uid="isales_proxy.groups")
def _record_save(instance: Group, **_more: object) -> None:
    before, after = getattr(instance, _BEFORE), {"name": audit.mask_numbers(instance.name)}
    if before != after:
        _record(instance, before=before, after=after)


@receiver(pre_delete, sender=Group, dispatch_uid="isales_proxy.groups")
def _remember_before_delete(instance: Group, **_more: object) -> None:
    facts = {
        "name": audit.mask_numbers(instance.name),
        "permissions": _list_codenames(instance.permissions.all()),
        "members": User.objects.filter(groups=instance).count(),
    }
    setattr(instance, _BEFORE, facts)


@receiver(post_delete, sender=Group, dispatch_uid="isales_proxy.groups")
def _record_deletion(instance: Group, **_more: object) -> None:
    _record(instance, before=getattr(instance, _BEFORE), after={}, deleted=True)


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="isales_proxy.groups")
def _record_permissions(
    instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_more: object
) -> None:
    fact = _PERMISSION_FACTS.get(action)
    if fact is None or pk_set == set():
        return
    chosen = {} if pk_set is None else {"pk__in": pk_set}
    if reverse:
        for group in Group.objects.filter(**chosen) if chosen else instance.group_set.all():
            _record(group, **{fact: _list_codenames([instance])})
        return
    moved = Permission.objects.filter(**chosen) if chosen else instance.permissions.all()
    if codes := _list_codenames(moved):
        _record(instance, **{fact: codes})


def _list_codenames(permissions: Iterable[Permission]) -> list[str]:
    return sorted(permission.codename for permission in permissions)


def _record(group: Group, **facts: Any) -> None:
    # Changes made by `migrate` have no actor, and the audit table may not exist yet.
    if not seeding.under_way.get():
        subject = f"group {audit.mask_numbers(group.name)}"
        audit.record(AuditAction.GROUP_CHANGED, by=_by.get(), subject=subject, **facts)
