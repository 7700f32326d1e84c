"""Reach of an admin in Django's admin: to the end of their own VDNs, and no longer than
they are admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models.signals import pre_save
from django.test import Client

from isales_proxy.accounts.seeding import ADMINS
from isales_proxy.models import Access, ResultCode, Role, User, Vdn
from tests.support.pages import form_of

ADMIN = "/admin/isales_proxy/"


@pytest.fixture
def admin(as_role: Any) -> Client:
    """An admin of VDN 88."""
    client: Client = as_role("admin")
    return client


@pytest.fixture
def root(db: None) -> Client:
    """A superuser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pass-word-1"))
    return client


@pytest.fixture
def stranger(people: dict[str, User]) -> User:
    """A person of VDN 89 alone."""
    user = User.objects.create_user("stranger", password="pass-word-1")
    Access.objects.create(user=user, vdn_id=89, role=Role.AUDITOR)
    return user


def change(client: Client, address: str, **values: str) -> Any:
    """Send the form of that page with other values."""
    return client.post(address, form_of(client.get(address).content.decode()) | values)


def enters(user: User) -> tuple[bool, bool, int]:
    """Return `is_staff`, membership of the group, and the status of Django's admin."""
    client = Client()
    client.force_login(user)
    user.refresh_from_db()
    in_group = user.groups.filter(name=ADMINS).exists()
    return user.is_staff, in_group, client.get(f"{ADMIN}user/").status_code


def test_admin_role_given_and_withdrawn_opens_and_closes_the_admin(
    root: Client, people: dict[str, User]
) -> None:
    person = people["auditor"]
    assert enters(person) == (False, False, 403)
    address = f"{ADMIN}access/{person.accesses.get().pk}/change/"
    assert change(root, address, role="admin").status_code == 302
    assert enters(person) == (True, True, 200)
    assert change(root, address, role="auditor").status_code == 302
    assert enters(person) == (False, False, 403)


def test_admin_role_given_on_the_page_of_a_person_opens_the_admin(
    admin: Client, people: dict[str, User]
) -> None:
    person = people["auditor"]
    address = f"{ADMIN}user/{person.pk}/change/"
    assert change(admin, address, **{"accesses-0-role": "admin"}).status_code == 302
    assert enters(person) == (True, True, 200)
    assert change(admin, address, **{"accesses-0-DELETE": "on"}).status_code == 302
    assert not person.accesses.exists()
    assert enters(person) == (False, False, 403)


def test_deleted_access_closes_the_admin(root: Client, people: dict[str, User]) -> None:
    person = people["admin"]
    assert enters(person) == (True, True, 200)
    root.post(f"{ADMIN}access/{person.accesses.get().pk}/delete/", {"post": "yes"})
    assert enters(person) == (False, False, 403)


def test_admin_of_another_vdn_keeps_the_admin_open(people: dict[str, User]) -> None:
    person = people["admin"]
    other = Access.objects.create(user=person, vdn_id=89, role=Role.ADMIN)
    other.delete()
    assert enters(person) == (True, True, 200)


def test_superuser_keeps_staff_status_without_admin_access(
    root: Client, people: dict[str, User]
) -> None:
    person = User.objects.get(username="root")
    access = Access.objects.create(user=person, vdn_id=88, role=Role.ADMIN)
    access.delete()
    assert enters(person) == (True, False, 200)


def test_new_superuser_can_enter_the_admin(root: Client, people: dict[str, User]) -> None:
    address = f"{ADMIN}user/{people['auditor'].pk}/change/"
    assert change(root, address, is_superuser="on").status_code == 302
    assert enters(people["auditor"])[0::2] == (True, 200)


def test_deleting_an_admin_deletes_the_person(root: Client, people: dict[str, User]) -> None:
    address = f"{ADMIN}user/{people['admin'].pk}/delete/"
    assert root.post(address, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="admin").exists()


def test_admin_cannot_give_access_to_a_foreign_vdn(admin: Client, people: dict[str, User]) -> None:
    person = people["admin"]
    row = {"user": str(person.pk), "vdn": "89", "role": "admin", "agent_account": ""}
    assert admin.post(f"{ADMIN}access/add/", row, follow=True).status_code == 422
    beside = {f"accesses-1-{name}": value for name, value in row.items()}
    beside |= {"accesses-TOTAL_FORMS": "2", "accesses-1-id": ""}
    assert change(admin, f"{ADMIN}user/{person.pk}/change/", **beside).status_code == 303
    own = person.accesses.get()
    change(admin, f"{ADMIN}access/{own.pk}/change/", vdn="89")
    assert [access.vdn_id for access in person.accesses.all()] == [88]


@pytest.mark.parametrize("name", ["stranger", "both"])
def test_people_with_access_to_another_vdn_cannot_be_changed(
    admin: Client, people: dict[str, User], stranger: User, name: str
) -> None:
    person = User.objects.get(username=name)
    assert f">{name}<" not in admin.get(f"{ADMIN}user/").content.decode()
    assert admin.get(f"{ADMIN}user/{person.pk}/change/").status_code == 302
    new = {
        "usable_password": "true",
        "set-password": "",
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    assert admin.post(f"{ADMIN}user/{person.pk}/password/", new).status_code == 404
    admin.post(f"{ADMIN}user/{person.pk}/delete/", {"post": "yes"})
    marked = {"action": "delete_selected", "_selected_action": str(person.pk), "post": "yes"}
    admin.post(f"{ADMIN}user/", marked)
    person.refresh_from_db()
    assert person.check_password("pass-word-1")
    added = {"user": str(person.pk), "vdn": "88", "role": "admin", "agent_account": ""}
    admin.post(f"{ADMIN}access/add/", added)
    assert not person.accesses.filter(role=Role.ADMIN).exists()


def test_admin_sets_the_password_of_a_managed_person(
    admin: Client, people: dict[str, User]
) -> None:
    new = {
        "usable_password": "true",
        "set-password": "",
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    address = f"{ADMIN}user/{people['agent'].pk}/password/"
    assert admin.post(address, new).status_code == 302
    assert Client().login(username="agent", password="A-longer-secret-7")


@pytest.mark.parametrize("page", ["vdn/", "access/", "resultcode/", "user/", "access/add/"])
def test_foreign_rows_are_not_listed_or_offered(
    admin: Client, root: Client, stranger: User, page: str
) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for vdn in (88, 89):
        ResultCode.objects.create(
            vdn_id=vdn, code=f"C{vdn}", text_en="x", first_seen=now, last_seen=now
        )
    seen = {client: client.get(f"{ADMIN}{page}").content.decode() for client in (admin, root)}
    # A word of its own: the section's name is CC-iSales.
    foreign = re.compile(r"\bSales\b|stranger")
    assert not foreign.search(seen[admin])
    assert foreign.search(seen[root])


def test_admin_cannot_open_a_foreign_vdn_or_add_one(admin: Client) -> None:
    assert admin.get(f"{ADMIN}vdn/89/change/").status_code == 302
    assert admin.get(f"{ADMIN}vdn/88/change/").status_code == 200
    made = {"id": "90", "name": "Mine", "time_zone": "UTC", "enabled": "on"}
    assert admin.post(f"{ADMIN}vdn/add/", made).status_code == 403
    assert not Vdn.objects.filter(pk=90).exists()


def test_superuser_adds_a_vdn(root: Client) -> None:
    made = {"id": "90", "name": "New", "time_zone": "UTC", "enabled": "on"}
    assert root.post(f"{ADMIN}vdn/add/", made).status_code == 302
    assert Vdn.objects.get(pk=90).name == "New"


@pytest.fixture
def _refreshed_meanwhile() -> Iterator[None]:
    """The codes are refreshed while a VDN is being changed."""

    def refresh(instance: Vdn, **_more: object) -> None:
        Vdn.objects.filter(pk=instance.pk).update(codes_version=7)

    pre_save.connect(refresh, sender=Vdn)
    yield
    pre_save.disconnect(refresh, sender=Vdn)


@pytest.mark.usefixtures("_refreshed_meanwhile")
def test_refresh_during_a_change_of_the_vdn_is_not_overwritten(admin: Client) -> None:
    assert change(admin, f"{ADMIN}vdn/88/change/", name="Help").status_code == 302
    vdn = Vdn.objects.get(pk=88)
    assert (vdn.name, vdn.codes_version) == ("Help", 7)
