"""People: creation by commands, access by single sign-on, and entry to Django's admin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from isales_proxy.accounts import changes
from isales_proxy.accounts.seeding import ADMINS
from isales_proxy.models import Access, Role, User, Vdn, validate_agent_account


class InvalidUser(ValueError):
    """The person cannot be saved; `reasons` are English sentences."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


class NotADemoUser(InvalidUser):
    """The name belongs to a person whom the demo did not create."""


@dataclass(frozen=True)
class UserSpec:
    """A person to create or update, with a role in some VDNs. An empty password changes none."""

    name: str
    role: Role
    vdns: tuple[int, ...]
    agent_account: str = ""
    password: str = field(default="", repr=False)
    demo: bool = False
    superuser: bool = False


@dataclass(frozen=True)
class GrantedAccess:
    """A role in one VDN; an agent comes with an agent account."""

    role: Role
    agent_account: str = ""


def create_or_update_user(spec: UserSpec) -> bool:
    """Create the person, or update them; return whether they are new. Raises InvalidUser.

    Access to other VDNs stays as it is, and an inactive person stays inactive.
    """
    vdns = _find_vdns(spec.vdns)
    user = User.objects.filter(username=spec.name).first()
    with changes.record_changes(by=None, people=[user.pk] if user else []) as touched:
        new = user is None
        if user is None:
            if not spec.password:
                raise InvalidUser("A new person needs a password.")
            user = User(username=spec.name)
        elif spec.demo and not user.is_demo:
            raise NotADemoUser(f"{spec.name} was not made by the demo.")
        # A demo person becomes an ordinary person when `adduser` updates them.
        user.is_demo = spec.demo
        if spec.superuser:
            user.is_superuser = user.is_staff = True
        if spec.password:
            _set_password(user, spec.password)
        _save(user)
        touched.add(user.pk)
        for vdn in vdns:
            _give_access(user, vdn, spec)
    return new


def synchronise_access(*, person: User, granted: Mapping[int, GrantedAccess]) -> None:
    """Set the access that single sign-on has granted to `granted`, by VDN ID.

    Access granted by an admin is neither changed nor deleted. Unknown VDNs are ignored.
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
    """Return the agent account without outer blanks; "" if it is invalid."""
    longest = Access._meta.get_field("agent_account").max_length or 0  # noqa: SLF001 - public name
    found = account.strip()
    try:
        validate_agent_account(found)
    except ValidationError:
        return ""
    return found if len(found) <= longest else ""


def remove_known_passwords(names: Iterable[str], *, known_password: str) -> list[str]:
    """Remove the passwords that equal `known_password`; return the names of the people."""
    closed = []
    for user in User.objects.filter(username__in=list(names)):
        if user.check_password(known_password):
            with changes.record_changes(by=None, people=[user.pk]):
                user.set_unusable_password()
                user.save(update_fields=["password"])
            closed.append(user.username)
    return closed


def sync_staff(user: User) -> None:
    """Give access to Django's admin to admins of any VDN and superusers, and to no others."""
    group, _created = Group.objects.get_or_create(name=ADMINS)
    is_admin = user.accesses.filter(role=Role.ADMIN).exists()
    if is_admin:
        user.groups.add(group)
    else:
        user.groups.remove(group)
    user.is_staff = is_admin or user.is_superuser
    # `save` would insert a person who is being deleted.
    User.objects.filter(pk=user.pk).update(is_staff=user.is_staff)


@receiver((post_save, post_delete), sender=Access, dispatch_uid="isales_proxy.people")
def _follow_access(instance: Access, *, raw: bool = False, **_more: object) -> None:
    # `loaddata` may load rows before those that they refer to.
    if not raw:
        sync_staff(instance.user)


def _find_vdns(wanted: tuple[int, ...]) -> list[Vdn]:
    if not wanted:
        raise InvalidUser("At least one VDN is needed.")
    found = {vdn.pk: vdn for vdn in Vdn.objects.all()}
    missing = [str(number) for number in dict.fromkeys(wanted) if number not in found]
    if missing:
        known = ", ".join(str(number) for number in found) or "none"
        raise InvalidUser(f"There is no VDN {', '.join(missing)}; known: {known}.")
    return [found[number] for number in dict.fromkeys(wanted)]


def _give_access(user: User, vdn: Vdn, spec: UserSpec) -> None:
    access = Access.objects.filter(user=user, vdn=vdn).first() or Access(user=user, vdn=vdn)
    access.role = spec.role
    access.agent_account = spec.agent_account.strip()
    _save(access)


def _save(row: User | Access) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise InvalidUser(*_list_reasons(error)) from None
    row.save()


def _list_reasons(error: ValidationError) -> list[str]:
    """Return each message with the name of its field."""
    return [
        text if name == NON_FIELD_ERRORS else f"{name.replace('_', ' ')}: {text}"
        for name, texts in error.message_dict.items()
        for text in texts
    ]


def _set_password(user: User, password: str) -> None:
    if user.password and user.check_password(password):
        # A new hash would log the person out everywhere.
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidUser(*error.messages) from None
    user.set_password(password)
