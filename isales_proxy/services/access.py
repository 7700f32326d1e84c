"""Who may see what: the one place where a person and a VDN become a `Scope`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from isales_proxy.configuration import privacy
from isales_proxy.models import Access, Role, Vdn


class NotYours(LookupError):
    """The VDN does not exist, is switched off, or is none of this person's business: all alike."""


class NotAllowed(PermissionError):
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
    def sees_all_agents(self) -> bool:
        """Whether the person sees the reservations of every agent of the VDN."""
        return self.role is not Role.AGENT

    @property
    def sees_numbers(self) -> bool:
        """Whether called numbers reach the person whole; else each is masked."""
        return self.role.value in privacy().numbers_visible_to

    @property
    def may_reveal(self) -> bool:
        """Whether the person may have one masked number shown, for a reason and a short while."""
        return not self.sees_numbers and self.role is not Role.AUDITOR

    @property
    def may_see_audit(self) -> bool:
        """Whether the person reads the audit of the VDN."""
        return self.role in {Role.AUDITOR, Role.ADMIN}

    @property
    def may_edit_codes(self) -> bool:
        """Whether the person may change what a result code means, and roll the table back."""
        return self.role is Role.ADMIN

    @property
    def may_see_settings(self) -> bool:
        """Whether the person sees the people, the tokens and the settings in effect."""
        return self.role is Role.ADMIN

    @property
    def may_refresh_codes(self) -> bool:
        """Whether the person may fetch the code table anew."""
        return self.role is Role.ADMIN

    @property
    def may_see_outbound(self) -> bool:
        """Whether the person sees tasks, the call data taken, and the write-backs."""
        return self.role is not Role.AGENT

    @property
    def may_take_call_data(self) -> bool:
        """Whether the person may have numbers handed out by the vendor, which uses them up."""
        return self.role in {Role.SUPERVISOR, Role.ADMIN}

    @property
    def may_have_raw_answers(self) -> bool:
        """Whether the person may have a vendor's answer as it came, which nobody can mask."""
        return self.may_take_call_data and self.sees_numbers

    @property
    def may_write_back(self) -> bool:
        """Whether the person may write results back, try them again and cancel them."""
        return self.role in {Role.SUPERVISOR, Role.ADMIN}

    @property
    def may_examine_vendor(self) -> bool:
        """Whether the person may use the API doctor."""
        return self.role is Role.ADMIN

    def require(self, allowed: bool) -> None:
        """Raise NotAllowed unless `allowed`."""
        if not allowed:
            raise NotAllowed


def scopes(user: Any) -> list[Scope]:
    """Every VDN that this person may enter, by number; one query."""
    rows = Access.objects.filter(user_id=user.pk, vdn__enabled=True).select_related("vdn")
    return [_scope(user, row) for row in rows.order_by("vdn_id")]


def enter(*, user: Any, vdn_id: int) -> Scope:
    """This person's scope in one VDN. Raises NotYours."""
    for scope in remembered_scopes(user):
        if scope.vdn.pk == vdn_id:
            return scope
    raise NotYours


def remembered_scopes(user: Any) -> list[Scope]:
    """Like `scopes`, but asked of the database once for each loaded user: once a request."""
    if not user.is_authenticated:
        return []
    found: list[Scope] | None = getattr(user, "_callboard_scopes", None)
    if found is None:
        found = scopes(user)
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
