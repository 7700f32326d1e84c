"""Django's admin under our roles and our Content-Security-Policy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from isales_proxy.models import Access, ResultCode, User, Vdn
from isales_proxy.result_codes import services as result_codes
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.pages import form_of


@pytest.fixture
def admin(as_role: Any) -> Client:
    """An admin created by `adduser`: staff, in the group, no superuser."""
    client: Client = as_role("admin")
    return client


@pytest.fixture
def root(db: None) -> Client:
    """A superuser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pass-word-1"))
    return client


PAGES = [
    "",
    "user/",
    "user/add/",
    "vdn/",
    "vdn/88/change/",
    "access/",
    "access/add/",
    "resultcode/",
]


@cases("page", PAGES)
def test_admin_pages_comply_with_the_content_security_policy(admin: Client, page: str) -> None:
    _see_fit(admin.get(f"/admin/isales_proxy/{page}"))


@cases("page", [*PAGES, "vdn/add/"])
def test_pages_of_a_superuser_comply_with_the_content_security_policy(
    people: Any, root: Client, page: str
) -> None:
    _see_fit(root.get(f"/admin/isales_proxy/{page}"))


def _see_fit(answer: Any) -> None:
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "inline script"
    assert not re.search(r"<style\b|\sstyle=", text), "inline style"
    assert "select2" not in text


def test_admin_adds_a_person_with_a_role(admin: Client) -> None:
    address = "/admin/isales_proxy/user/add/"
    form = form_of(admin.get(address).content.decode())
    form |= {
        "username": "chen",
        "usable_password": "true",
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    # Somebody without any access right would see nothing.
    assert b"needs at least one access right" in admin.post(address, form, follow=True).content
    assert not User.objects.filter(username="chen").exists()
    form |= {"accesses-0-vdn": "88", "accesses-0-role": "auditor"}
    answer = admin.post(address, form)
    person = User.objects.get(username="chen")
    change = f"/admin/isales_proxy/user/{person.pk}/change/"
    assert answer.headers["Location"].startswith(change)
    form = form_of(admin.get(change).content.decode()) | {
        "accesses-0-role": "agent",
        "accesses-0-agent_account": "",
    }
    refused = admin.post(change, form, follow=True)
    assert refused.status_code == 422
    assert b"An agent needs an agent account." in refused.content
    for wrong in ("1" * 70, "11\t6"):
        refused = admin.post(change, form | {"accesses-0-agent_account": wrong})
        assert refused.status_code == 303
        assert Access.objects.get(user=person).role == "auditor"
    done = admin.post(change, form | {"accesses-0-agent_account": "116"})
    assert done.status_code == 302
    assert Access.objects.get(user=person).agent_account == "116"
    assert Client().login(username="chen", password="A-longer-secret-7")


def test_weak_password_is_refused(admin: Client) -> None:
    form = {"username": "chen", "usable_password": "true", "password1": "abc", "password2": "abc"}
    admin.post("/admin/isales_proxy/user/add/", form)
    assert not User.objects.filter(username="chen").exists()


def test_admin_cannot_extend_their_own_rights(admin: Client, people: dict[str, User]) -> None:
    other = Group.objects.create(name="Others")
    address = f"/admin/isales_proxy/user/{people['admin'].pk}/change/"
    text = admin.get(address).content.decode()
    assert "is_superuser" not in text
    assert "user_permissions" not in text
    form = form_of(text) | {"is_superuser": "on", "groups": str(other.pk)}
    admin.post(address, form)
    person = people["admin"]
    person.refresh_from_db()
    assert not person.is_superuser
    assert other not in person.groups.all()


def test_superuser_cannot_be_changed_by_an_admin(admin: Client) -> None:
    root = User.objects.create_superuser("root", password="pass-word-1")
    for action in ("change/", "delete/", "password/"):
        address = f"/admin/isales_proxy/user/{root.pk}/{action}"
        answer = admin.post(address, {"password1": "x", "password2": "x", "post": "yes"})
        # Not there: Django goes back to the index, or says so.
        assert answer.status_code == 404 or answer.headers["Location"] == "/admin/"
    root.refresh_from_db()
    assert root.check_password("pass-word-1")


def test_result_codes_are_read_only(admin: Client, vendor: Simulator) -> None:
    result_codes.refresh_unattended(vdn=Vdn.objects.get(pk=88), by="test")
    code = ResultCode.objects.first()
    assert code is not None
    address = f"/admin/isales_proxy/resultcode/{code.pk}/"
    assert admin.get("/admin/isales_proxy/resultcode/", {"q": code.code}).status_code == 200
    assert admin.get(f"{address}change/").status_code == 200
    assert admin.post(f"{address}change/", {"text_en": "other"}).status_code == 403
    assert admin.post(f"{address}delete/", {"post": "yes"}).status_code == 403


def test_admin_pages_have_our_header_and_its_links(admin: Client) -> None:
    for page in ("/admin/", "/admin/isales_proxy/user/add/"):
        text = admin.get(page).content.decode()
        for address in ("/", "/accounts/", "/admin/isales_proxy/user/", "/vdn/88/settings/"):
            assert f'href="{address}"' in text, (page, address)
        assert "css/admin.css" in text
        assert "Django" not in text
    people = admin.get("/admin/isales_proxy/user/").content.decode()
    assert "<h1>Select person to change</h1>" in people


def test_admin_page_names_who_may_add_a_vdn(admin: Client, root: Client) -> None:
    page = "/admin/isales_proxy/vdn/"
    assert "Only a superuser can add a VDN: root." in admin.get(page).content.decode()
    assert "Only a superuser" not in root.get(page).content.decode()


def test_vdn_cannot_be_deleted(admin: Client) -> None:
    assert admin.post("/admin/isales_proxy/vdn/88/delete/", {"post": "yes"}).status_code == 403
    assert Vdn.objects.filter(pk=88).exists()


@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor"])
def test_other_roles_cannot_enter_the_admin(as_role: Any, role: str) -> None:
    assert as_role(role).get("/admin/isales_proxy/user/").status_code == 403
