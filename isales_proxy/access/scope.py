"""Scopes: one person in one VDN, made here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission, get_permissions
from isales_proxy.core.settings import get_privacy_settings
from isales_proxy.models import Access, Role, Vdn


class VdnNotFound(LookupError):
    """The VDN, or a row in it, does not exist, is disabled, or is not this person's: all alike."""


class PermissionMissing(PermissionError):
    """The person has an access right in the VDN, but not this permission."""


@dataclass(frozen=True)
class Scope:
    """One person in one VDN. Services take it in place of a user and a VDN."""

    user_id: int
    username: str
    vdn: Vdn
    role: Role
    agent_account: str
    own_zone: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of filters and screens: chosen by the person, else that of the VDN."""
        return ZoneInfo(self.own_zone) if self.own_zone else self.vdn.zone

    @property
    def permissions(self) -> frozenset[Permission]:
        """The permissions of the person in the VDN; none for an unknown role."""
        return get_permissions(self.role, get_privacy_settings().numbers_visible_to)

    def can(self, permission: Permission) -> bool:
        """Return True if the person has this permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise PermissionMissing unless the person has this permission."""
        if not self.can(permission):
            raise PermissionMissing


def list_scopes(user: Any) -> list[Scope]:
    """List the scopes of this person, by VDN number; one query.

    A role without permissions gives none.
    """
    rows = Access.objects.filter(user_id=user.pk, vdn__enabled=True).select_related("vdn")
    return [
        _create_scope(user, row)
        for row in rows.order_by("vdn_id")
        if ROLE_PERMISSIONS.get(row.role)
    ]


def enter(*, user: Any, vdn_id: int) -> Scope:
    """Return this person's scope in one VDN. Raises VdnNotFound."""
    for scope in get_scopes(user):
        if scope.vdn.pk == vdn_id:
            return scope
    raise VdnNotFound


def get_scopes(user: Any) -> list[Scope]:
    """Return `list_scopes`, read once per user object and so once per request."""
    if not user.is_authenticated:
        return []
    found: list[Scope] | None = getattr(user, "_callboard_scopes", None)
    if found is None:
        found = list_scopes(user)
        user._callboard_scopes = found  # noqa: SLF001
    return found


def _create_scope(user: Any, row: Access) -> Scope:
    return Scope(
        user_id=user.pk,
        username=user.get_username(),
        vdn=row.vdn,
        role=Role(row.role),
        agent_account=row.agent_account,
        own_zone=user.time_zone,
    )
