"""Scopes: one person in one VDN. Scopes are created only here."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models.base import ModelState

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission, get_permissions
from isales_proxy.models import Access, Role, User, Vdn


class VdnNotFound(LookupError):
    """A VDN, or a row in it, does not exist, is disabled, or is not accessible to this person."""


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
        return get_permissions(self.role, settings.PRIVACY.numbers_visible_to)

    def can(self, permission: Permission) -> bool:
        """Return True if the person has this permission."""
        return permission in self.permissions

    def require(self, *permissions: Permission) -> None:
        """Raise PermissionMissing unless the person has all of these permissions."""
        if not self.permissions.issuperset(permissions):
            raise PermissionMissing


def list_scopes(user: Any) -> list[Scope]:
    """List the scopes of this person, ordered by VDN, by one query; none for unknown roles."""
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


def load_user(user_id: int) -> Any:
    """Load a person with their scopes, by one query; None for an unknown ID.

    Each request reads the rows again, so that changes take effect at once. If they are unchanged,
    as nearly always, the model instances are copied, which is faster than creating them.
    """
    rows = _read_rows(user_id)
    if not rows:
        return None
    with _lock:
        known = _people.get(user_id)
    if known is None or known.rows != rows:
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            return None
        known = _Person(rows, user, list_scopes(user))
        # Person and scopes are consistent only if nothing has changed in between.
        if _read_rows(user_id) == rows:
            with _lock:
                if len(_people) >= _MOST_PEOPLE:
                    _people.clear()
                _people[user_id] = known
    copied: Any = _copy(known.user)
    copied._callboard_scopes = [  # noqa: SLF001
        replace(scope, vdn=_copy(scope.vdn)) for scope in known.scopes
    ]
    return copied


@dataclass(frozen=True)
class _Person:
    """The rows of a person, and the instances created from them."""

    rows: list[tuple[Any, ...]]
    user: User
    scopes: list[Scope]


_people: dict[int, _Person] = {}
_lock = threading.Lock()
_MOST_PEOPLE: Final = 1000


def _read_rows(user_id: int) -> list[tuple[Any, ...]]:
    """Read the rows for the scopes: one per VDN of the person, or a single one without VDN."""
    with connection.cursor() as cursor:
        cursor.execute(_build_sql(connection.vendor), [user_id])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


@cache
def _build_sql(_vendor: str) -> str:
    parts = (("", User), ("accesses__", Access), ("accesses__vdn__", Vdn))
    names = [
        f"{path}{field.attname}"
        for path, model in parts
        for field in model._meta.concrete_fields  # noqa: SLF001 - Django's public name
    ]
    found = User.objects.filter(pk=0).order_by("accesses__vdn_id").values_list(*names)
    return str(found.query.sql_with_params()[0])


M = TypeVar("M", User, Vdn)


def _copy(row: M) -> M:
    """Copy a row that was just read; `copy.copy` takes ten times as long."""
    copied: Any = type(row).__new__(type(row))
    copied.__dict__.update(row.__dict__)
    copied._state = state = ModelState()  # noqa: SLF001
    state.adding, state.db = False, row._state.db  # noqa: SLF001
    return copied  # type: ignore[no-any-return]


def get_scopes(user: Any) -> list[Scope]:
    """Return the result of `list_scopes`, cached on the user object and so per request."""
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
