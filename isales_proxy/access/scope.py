"""The one place where a person and a VDN become a `Scope`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission, get_permissions
from isales_proxy.core.settings import get_privacy_settings
from isales_proxy.models import Access, Role, Vdn


class VdnNotFound(LookupError):
    """The VDN does not exist, is switched off, or is none of this person's business: all alike."""


class PermissionMissing(PermissionError):
    """The person sees the VDN but not this part of it."""


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
        """The zone in which this person asks and reads: the chosen one, else that of the VDN."""
        return ZoneInfo(self.own_zone) if self.own_zone else self.vdn.zone

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that the person may do in the VDN; nothing for a role that is not in the table."""
        return get_permissions(self.role, get_privacy_settings().numbers_visible_to)

    def can(self, permission: Permission) -> bool:
        """Say whether the person may do this."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise NotAllowed unless the person may do this."""
        if not self.can(permission):
            raise PermissionMissing


def list_scopes(user: Any) -> list[Scope]:
    """List every VDN that this person may enter, by number; one query.

    A role that grants nothing opens none.
    """
    rows = Access.objects.filter(user_id=user.pk, vdn__enabled=True).select_related("vdn")
    return [_scope(user, row) for row in rows.order_by("vdn_id") if ROLE_PERMISSIONS.get(row.role)]


def enter(*, user: Any, vdn_id: int) -> Scope:
    """This person's scope in one VDN. Raises NotYours."""
    for scope in get_scopes(user):
        if scope.vdn.pk == vdn_id:
            return scope
    raise VdnNotFound


def get_scopes(user: Any) -> list[Scope]:
    """Like `scopes`, but asked of the database once for each loaded user: once a request."""
    if not user.is_authenticated:
        return []
    found: list[Scope] | None = getattr(user, "_callboard_scopes", None)
    if found is None:
        found = list_scopes(user)
        user._callboard_scopes = found  # noqa: SLF001
    return found


def _scope(user: Any, row: Access) -> Scope:
    return Scope(
        user_id=user.pk,
        username=user.get_username(),
        vdn=row.vdn,
        role=Role(row.role),
        agent_account=row.agent_account,
        own_zone=user.time_zone,
    )
