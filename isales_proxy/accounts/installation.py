"""People, VDNs and tokens that an admin manages, for the settings page."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import second_factors
from isales_proxy.audit import services as audit
from isales_proxy.mirror import mirror_status
from isales_proxy.mirror.mirror_status import MirrorStatus
from isales_proxy.models import Access, ApiToken, AuditAction, User, Vdn, VdnCredentials


@dataclass(frozen=True)
class Person:
    """One person with the `accesses` that the admin manages. `in_reach`: the admin may change the
    person."""

    user: User
    accesses: tuple[Access, ...]
    in_reach: bool


@dataclass(frozen=True)
class VdnSummary:
    """One VDN: number of people with access, names of its own keys, and its mirror."""

    vdn: Vdn
    people: int
    own_keys: str
    mirror: MirrorStatus


@dataclass(frozen=True)
class Installation:
    """People, VDNs and valid tokens for the settings page."""

    people: tuple[Person, ...]
    vdns: tuple[VdnSummary, ...]
    tokens: tuple[ApiToken, ...]


def get_installation(*, scope: Scope, by: User) -> Installation:
    """Return what an admin manages. Raises PermissionMissing."""
    scope.require(Permission.SEE_SETTINGS)
    vdns = list(Vdn.objects.managed_by(by).order_by("pk"))
    accesses = list(Access.objects.filter(vdn__in=vdns).order_by("vdn_id"))
    valid = ApiToken.objects.managed_by(by).valid(timezone.now())
    return Installation(
        people=_list_people(accesses, by),
        vdns=_summarise_vdns(vdns, accesses),
        tokens=tuple(valid.order_by("user__username", "-created")),
    )


def switch_mirror(*, scope: Scope, by: User, vdn_id: int, enabled: bool) -> bool:
    """Switch the mirror of a managed VDN on or off; return False for other VDNs.

    Raises PermissionMissing.
    """
    if not Vdn.objects.managed_by(by).filter(pk=vdn_id).exists():
        return False
    mirror_status.switch_mirror(scope=scope, vdn_id=vdn_id, enabled=enabled)
    return True


def record_export(*, scope: Scope, part: str, kind: str, rows: int) -> None:
    """Record an export of the people or the tokens (`part`) in the audit. Raises
    PermissionMissing."""
    scope.require(Permission.SEE_SETTINGS)
    scope.require(Permission.EXPORT)
    action = AuditAction.PEOPLE_EXPORTED if part == "people" else AuditAction.TOKENS_EXPORTED
    audit.record(action, by=scope, kind=kind, rows=rows)


def _list_people(accesses: list[Access], by: User) -> tuple[Person, ...]:
    by_user = defaultdict(list)
    for access in accesses:
        by_user[access.user_id].append(access)
    in_reach = set(User.objects.managed_by(by).values_list("pk", flat=True))
    known = by_user.keys() | (in_reach if by.is_superuser else set())
    users = second_factors.prefetch_kinds(User.objects.filter(pk__in=known)).order_by("username")
    return tuple(Person(user, tuple(by_user[user.pk]), user.pk in in_reach) for user in users)


def _summarise_vdns(vdns: list[Vdn], accesses: list[Access]) -> tuple[VdnSummary, ...]:
    people = Counter(access.vdn_id for access in accesses)
    keys = {
        row.pk: ", ".join(name.replace("_", " ") for name in row.names)
        for row in VdnCredentials.objects.filter(vdn__in=vdns)
    }
    ids = [vdn.pk for vdn in vdns]
    mirrors = mirror_status.list_statuses(ids, timezone.now(), with_calls=True)
    return tuple(
        VdnSummary(vdn, people[vdn.pk], keys.get(vdn.pk, ""), mirror)
        for vdn, mirror in zip(vdns, mirrors, strict=True)
    )
