"""People, VDNs, tokens and settings of this installation, as far as an admin reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import second_factors
from isales_proxy.audit import services as audit
from isales_proxy.core.settings import Variable
from isales_proxy.mirror import mirror_status
from isales_proxy.mirror.mirror_status import MirrorStatus
from isales_proxy.models import Access, ApiToken, AuditAction, User, Vdn, VdnCredentials


@dataclass(frozen=True)
class Person:
    """One person: `accesses` as far as the admin reaches; `in_reach` says whether they may change
    them; `second_factors` are kinds (`totp`, `webauthn`). Times are aware UTC."""

    id: int
    username: str
    full_name: str
    active: bool
    superuser: bool
    last_login: datetime | None
    accesses: tuple[Access, ...]
    second_factors: tuple[str, ...]
    in_reach: bool


@dataclass(frozen=True)
class VdnSummary:
    """One VDN: how many have access, the names of its own keys, and its mirror."""

    vdn: Vdn
    people: int
    own_keys: str
    mirror: MirrorStatus


@dataclass(frozen=True)
class Installation:
    """The content of the settings page."""

    people: tuple[Person, ...]
    vdns: tuple[VdnSummary, ...]
    tokens: tuple[ApiToken, ...]
    variables: tuple[Variable, ...]


def get_installation(*, scope: Scope, by: User) -> Installation:
    """Return people, VDNs, tokens and settings in reach of an admin. Raises PermissionMissing."""
    scope.require(Permission.SEE_SETTINGS)
    vdns = tuple(Vdn.objects.managed_by(by).order_by("pk"))
    return Installation(
        people=_list_people(vdns, by),
        vdns=_summarise_vdns(vdns),
        tokens=tuple(
            ApiToken.objects.managed_by(by)
            .valid(timezone.now())
            .order_by("user__username", "-created")
        ),
        variables=settings.VARIABLES,
    )


def switch_mirror(*, scope: Scope, by: User, vdn_id: int, enabled: bool) -> bool:
    """Switch the mirror of a VDN in reach on or off; return False for any other VDN. Raises
    PermissionMissing."""
    if not Vdn.objects.managed_by(by).filter(pk=vdn_id).exists():
        return False
    mirror_status.switch_mirror(scope=scope, vdn_id=vdn_id, enabled=enabled)
    return True


def record_export(*, scope: Scope, part: str, kind: str, rows: int) -> None:
    """Record an export of the people or the tokens (`part`) in the audit. Raises NotAllowed."""
    scope.require(Permission.SEE_SETTINGS)
    scope.require(Permission.EXPORT)
    action = AuditAction.PEOPLE_EXPORTED if part == "people" else AuditAction.TOKENS_EXPORTED
    audit.record(action, by=scope, kind=kind, rows=rows)


def _list_people(vdns: tuple[Vdn, ...], by: User) -> tuple[Person, ...]:
    accesses: dict[int, list[Access]] = {}
    rows = Access.objects.filter(vdn__in=vdns).select_related("vdn").order_by("vdn_id")
    for row in rows:
        accesses.setdefault(row.user_id, []).append(row)
    in_reach = set(User.objects.managed_by(by).values_list("pk", flat=True))
    known = accesses.keys() | (in_reach if by.is_superuser else set())
    return tuple(
        Person(
            id=user.pk,
            username=user.get_username(),
            full_name=user.get_full_name(),
            active=user.is_active,
            superuser=user.is_superuser,
            last_login=user.last_login,
            accesses=tuple(accesses.get(user.pk, ())),
            second_factors=tuple(second_factors.list_kinds(user)),
            in_reach=user.pk in in_reach,
        )
        for user in second_factors.prefetch_kinds(User.objects.filter(pk__in=known)).order_by(
            "username"
        )
    )


def _summarise_vdns(vdns: tuple[Vdn, ...]) -> tuple[VdnSummary, ...]:
    counts: dict[int, int] = {}
    for vdn_id in Access.objects.filter(vdn__in=vdns).values_list("vdn_id", flat=True):
        counts[vdn_id] = counts.get(vdn_id, 0) + 1
    held = {
        row.pk: [name.replace("_", " ") for name in VdnCredentials.NAMES if getattr(row, name)]
        for row in VdnCredentials.objects.filter(vdn__in=vdns)
    }
    statuses = mirror_status.list_statuses(
        [vdn.pk for vdn in vdns], timezone.now(), with_calls=True
    )
    mirrors = {status.vdn_id: status for status in statuses}
    return tuple(
        VdnSummary(
            vdn=vdn,
            people=counts.get(vdn.pk, 0),
            own_keys=", ".join(held.get(vdn.pk, ())),
            mirror=mirrors[vdn.pk],
        )
        for vdn in vdns
    )
