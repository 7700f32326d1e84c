"""Django's admin under our roles and our Content-Security-Policy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from isales_proxy.models import Access, ResultCode, User, Vdn
from isales_proxy.seeding import ADMINS
from isales_proxy.services import result_codes
from isales_proxy.simulator import Simulator


@pytest.fixture
def admin(people: dict[str, User]) -> Client:
    """An admin as `adduser` makes them: staff, in the group, no superuser."""
    user = people["admin"]
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=ADMINS))
    client = Client()
    client.force_login(user)
    return client


def form_of(text: str) -> dict[str, str]:
    """The fields of the page's form as they are filled in."""
    found = {}
    for tag in re.findall(r"<input[^>]+>", text):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in {"checkbox", "radio"} and "checked" not in tag:
            continue
        if attributes.get("name") and attributes.get("type") != "submit":
            found[attributes["name"]] = attributes.get("value", "on" if "checked" in tag else "")
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        if chosen:
            found[name] = chosen[1]
    return found


PAGES = [
    "",
    "user/",
    "user/add/",
    "vdn/",
    "vdn/add/",
    "vdn/88/change/",
    "access/",
    "access/add/",
    "resultcode/",
]


@pytest.mark.parametrize("page", PAGES)
def test_its_pages_need_nothing_that_the_policy_forbids(admin: Client, page: str) -> None:
    answer = admin.get(f"/admin/isales_proxy/{page}")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "inline script"
    assert not re.search(r"<style\b|\sstyle=", text), "inline style"
    assert "select2" not in text


def test_an_admin_makes_a_person_with_a_role(admin: Client) -> None:
    address = "/admin/isales_proxy/user/add/"
    form = form_of(admin.get(address).content.decode())
    form |= {
        "username": "chen",
        "usable_password": "true",
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    answer = admin.post(address, form)
    person = User.objects.get(username="chen")
    change = f"/admin/isales_proxy/user/{person.pk}/change/"
    assert answer.headers["Location"].startswith(change)
    form = form_of(admin.get(change).content.decode()) | {
        "accesses-TOTAL_FORMS": "1",
        "accesses-0-user": str(person.pk),
        "accesses-0-vdn": "88",
        "accesses-0-role": "agent",
        "accesses-0-agent_account": "",
    }
    refused = admin.post(change, form)
    assert refused.status_code == 200
    assert b"An agent needs an agent account." in refused.content
    done = admin.post(change, form | {"accesses-0-agent_account": "116"})
    assert done.status_code == 302
    assert Access.objects.get(user=person).agent_account == "116"
    assert Client().login(username="chen", password="A-longer-secret-7")


def test_a_weak_password_is_refused(admin: Client) -> None:
    form = {"username": "chen", "usable_password": "true", "password1": "abc", "password2": "abc"}
    admin.post("/admin/isales_proxy/user/add/", form)
    assert not User.objects.filter(username="chen").exists()


def test_an_admin_cannot_rise_above_themselves(admin: Client, people: dict[str, User]) -> None:
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


def test_a_superuser_is_out_of_an_admins_reach(admin: Client) -> None:
    root = User.objects.create_superuser("root", password="pass-word-1")
    for action in ("change/", "delete/", "password/"):
        address = f"/admin/isales_proxy/user/{root.pk}/{action}"
        assert admin.post(address, {"password1": "x", "password2": "x"}).status_code == 403
    root.refresh_from_db()
    assert root.check_password("pass-word-1")


def test_result_codes_are_looked_at_only(admin: Client, vendor: Simulator) -> None:
    result_codes.refresh(vdn=Vdn.objects.get(pk=88), by="test")
    code = ResultCode.objects.first()
    assert code is not None
    address = f"/admin/isales_proxy/resultcode/{code.pk}/"
    assert admin.get("/admin/isales_proxy/resultcode/", {"q": code.code}).status_code == 200
    assert admin.get(f"{address}change/").status_code == 200
    assert admin.post(f"{address}change/", {"text_en": "other"}).status_code == 403
    assert admin.post(f"{address}delete/", {"post": "yes"}).status_code == 403


def test_a_vdn_is_not_deleted(admin: Client) -> None:
    assert admin.post("/admin/isales_proxy/vdn/88/delete/", {"post": "yes"}).status_code == 403
    assert Vdn.objects.filter(pk=88).exists()


@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor"])
def test_other_roles_are_not_let_in(as_role: Any, role: str) -> None:
    assert as_role(role).get("/admin/isales_proxy/user/").status_code == 302
