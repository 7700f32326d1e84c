"""Access granted by single sign-on: created, changed and deleted at each log-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from isales_proxy.accounts import changes
from isales_proxy.models import Access, Role, User, Vdn, validate_agent_account


@dataclass(frozen=True)
class GrantedAccess:
    """A role in one VDN; an agent comes with an agent account."""

    role: Role
    agent_account: str = ""


def synchronise_access(*, person: User, granted: Mapping[int, GrantedAccess]) -> None:
    """Set the person's access to `granted`, by VDN ID, beside access given by an admin.

    Access given by an admin is neither changed nor deleted. Unknown VDNs are ignored.
    """
    with changes.record_changes(by=None, people=[person.pk]):
        rows = {row.vdn_id: row for row in Access.objects.filter(user=person)}
        known = set(Vdn.objects.filter(pk__in=granted).values_list("pk", flat=True))
        for number, row in rows.items():
            if row.from_claims and number not in granted:
                row.delete()
        for number, access in granted.items():
            row = rows.get(number) or Access(user=person, vdn_id=number, from_claims=True)
            if row.from_claims and number in known:
                row.role, row.agent_account = access.role, access.agent_account
                row.save()


def clean_agent_account(account: str) -> str:
    """Return the agent account as it is stored; "" for an invalid one."""
    longest = Access._meta.get_field("agent_account").max_length or 0  # noqa: SLF001 - public name
    found = account.strip()
    try:
        validate_agent_account(found)
    except ValidationError:
        return ""
    return found if len(found) <= longest else ""
