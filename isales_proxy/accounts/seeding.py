"""VDNs of `ISALES_VDNS` and the group for Django's admin, created after each migrate."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from django.apps import apps as global_apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models.signals import post_migrate
from django.dispatch import receiver

ADMINS = "Callboard admins"
under_way: Final[ContextVar[bool]] = ContextVar("callboard_seeding", default=False)
"""True while a migration changes groups."""

_MANAGED = ("user", "vdn", "access")


@receiver(post_migrate, dispatch_uid="isales_proxy.accounts.seeding")
def seed(sender: Any, using: str, apps: Any = global_apps, **_more: object) -> None:
    """Create what is missing, without overwriting changes.

    `apps` has the models after this migrate, which may not be the last one.
    """
    if sender.name != "isales_proxy":
        return
    for vdn in settings.ISALES.vdns:
        apps.get_model("isales_proxy", "Vdn").objects.using(using).get_or_create(
            pk=vdn.id,
            defaults={
                "name": vdn.name,
                "time_zone": vdn.time_zone or settings.TIME_ZONE,
                "cc_id": settings.ISALES.cc_id,
            },
        )
    # Django creates permissions by the same signal, perhaps later.
    create_permissions(sender, verbosity=0, using=using)
    token = under_way.set(True)
    try:
        group, _created = Group.objects.using(using).get_or_create(name=ADMINS)
        group.permissions.set(
            Permission.objects.using(using).filter(
                content_type__app_label="isales_proxy", content_type__model__in=_MANAGED
            )
        )
    finally:
        under_way.reset(token)
