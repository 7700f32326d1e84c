"""Making people: the one way for `adduser` and the demo, with the rules that both must obey."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from isales_proxy.models import Access, Role, User, Vdn
from isales_proxy.seeding import ADMINS


class Unfit(ValueError):
    """The wish cannot be fulfilled; `reasons` are English sentences without the password."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Wish:
    """A person as wanted: this role in these VDNs. An empty password keeps the one there is."""

    name: str
    role: Role
    vdns: tuple[int, ...]
    agent_account: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Wish({self.name!r}, {self.role.value}, {self.vdns})"


def enlist(wish: Wish) -> bool:
    """Create the person, or bring them to the wish; True when they are new. Raises Unfit.

    Access to VDNs that the wish does not name stays as it is. Admins may enter Django's admin;
    whoever is admin nowhere any more may not, superusers apart.
    """
    vdns = _vdns(wish.vdns)
    if wish.role is Role.AGENT and not wish.agent_account:
        raise Unfit("An agent needs an agent account.")
    with transaction.atomic():
        user = User.objects.filter(username=wish.name).first()
        new = user is None
        if user is None:
            if not wish.password:
                raise Unfit("A new person needs a password.")
            user = User(username=wish.name)
        if wish.password:
            _set_password(user, wish.password)
        user.is_active = True
        try:
            user.full_clean()
        except ValidationError as error:
            raise Unfit(*error.messages) from None
        user.save()
        for vdn in vdns:
            Access.objects.update_or_create(
                user=user,
                vdn=vdn,
                defaults={"role": wish.role, "agent_account": wish.agent_account},
            )
        _open_admin(user)
    return new


def close(names: Iterable[str], *, known_password: str) -> list[str]:
    """Take the password from those of them who still have the known one; gives their names."""
    closed = []
    for user in User.objects.filter(username__in=list(names)):
        if user.check_password(known_password):
            user.set_unusable_password()
            user.save(update_fields=["password"])
            closed.append(user.username)
    return closed


def _vdns(wanted: tuple[int, ...]) -> list[Vdn]:
    if not wanted:
        raise Unfit("At least one VDN is needed.")
    found = {vdn.pk: vdn for vdn in Vdn.objects.all()}
    missing = [str(number) for number in dict.fromkeys(wanted) if number not in found]
    if missing:
        known = ", ".join(str(number) for number in found) or "none"
        raise Unfit(f"There is no VDN {', '.join(missing)}; known: {known}.")
    return [found[number] for number in dict.fromkeys(wanted)]


def _set_password(user: User, password: str) -> None:
    if user.password and user.check_password(password):
        # A new hash of the same password would log the person out everywhere.
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Unfit(*error.messages) from None
    user.set_password(password)


def _open_admin(user: User) -> None:
    group, _created = Group.objects.get_or_create(name=ADMINS)
    if user.accesses.filter(role=Role.ADMIN).exists():
        user.groups.add(group)
        user.is_staff = True
    elif not user.is_superuser:
        user.groups.remove(group)
        user.is_staff = False
    user.save(update_fields=["is_staff"])
