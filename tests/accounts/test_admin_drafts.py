"""Drafts of the admin's forms, without passwords and keys."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group
from django.http import QueryDict
from django.test import Client, RequestFactory

from isales_proxy.accounts import form_drafts
from isales_proxy.accounts.form_drafts import list_secret_fields
from isales_proxy.admin.drafts import DraftAdmin
from isales_proxy.models import Access, FormDraft, User, Vdn, VdnCredentials
from tests.support.outbox import text_of
from tests.support.pages import form_of

ADD = "/admin/isales_proxy/user/add/"
VDN = "/admin/isales_proxy/vdn/88/change/"
SECRET = "A-longer-secret-7"
WEI = {
    "username": "wei",
    "usable_password": "true",
    "password1": SECRET,
    "password2": SECRET,
    "accesses-0-vdn": "88",
    "accesses-0-role": "auditor",
}


@pytest.fixture
def admin(as_role: Any) -> Client:
    client: Client = as_role("admin")
    return client


def filled(client: Client, address: str, fields: dict[str, str]) -> dict[str, str]:
    return form_of(text_of(client.get(address))) | fields


def drafts() -> str:
    """Return the decrypted fields of all drafts."""
    return " ".join(
        draft.fields.urlencode()
        for row in FormDraft.objects.select_related("user")
        if (draft := form_drafts.find(user=row.user, key=row.key))
    )


def test_refused_person_form_has_an_address_and_keeps_no_password(admin: Client) -> None:
    wrong = WEI | {"accesses-0-role": "agent", "first_name": "Wei"}
    answer = admin.post(ADD, filled(admin, ADD, wrong))
    assert answer.status_code == 303
    page = admin.get(answer.headers["Location"])
    text = text_of(page)
    assert page.status_code == 422
    assert "An agent needs an agent account." in text
    assert form_of(text)["username"] == "wei"
    assert form_of(text)["accesses-0-role"] == "agent"
    # It was right, and is not there any more.
    assert "Enter this again" in text
    assert SECRET not in text + drafts()
    assert not User.objects.filter(username="wei").exists()


def test_refused_password_is_reported_and_not_stored(admin: Client) -> None:
    answer = admin.post(ADD, filled(admin, ADD, WEI | {"password2": "another"}))
    page = admin.get(answer.headers["Location"])
    assert page.status_code == 422
    assert "password fields didn’t match" in text_of(page)
    assert "This field is required" not in text_of(page)
    assert SECRET not in text_of(page) + drafts()


def test_half_filled_vdn_form_is_stored_without_its_keys(
    admin: Client, people: dict[str, User]
) -> None:
    form = filled(admin, VDN, {"name": "Half", "late_grace_seconds": "90", "app_secret": SECRET})
    assert admin.post("/preferences/draft/", form).status_code == 204
    again = text_of(admin.get(VDN))
    assert "data-restored" in again
    assert (form_of(again)["name"], form_of(again)["late_grace_seconds"]) == ("Half", "90")
    admin.logout()
    led = admin.post(VDN, form)
    admin.force_login(people["admin"])
    page = text_of(admin.get(QueryDict(led.headers["Location"].partition("?")[2])["next"]))
    assert "data-undone" in page
    assert form_of(page)["name"] == "Half"
    assert SECRET not in again + page + drafts()
    assert Vdn.objects.get(pk=88).name != "Half"
    assert not VdnCredentials.objects.exists()


def test_refused_key_is_reported_at_its_field_and_not_stored(admin: Client) -> None:
    form = filled(admin, VDN, {"name": "Half", "app_secret": SECRET})
    answer = admin.post(VDN, form)
    page = admin.get(answer.headers["Location"])
    text = text_of(page)
    assert (answer.status_code, page.status_code) == (303, 422)
    assert form_of(text)["name"] == "Half"
    for name, told in (("app_key", "Enter both or neither"), ("app_secret", "Enter this again")):
        field = text.partition(f'id="id_{name}_error"')[2].partition("</ul>")[0]
        assert told in field, name
    assert SECRET not in text + drafts()


@pytest.mark.parametrize("model", [User, Vdn, Group, Access])
def test_secret_fields_of_admin_forms_are_excluded_from_drafts(
    people: dict[str, User], model: Any
) -> None:
    request = RequestFactory().get("/")
    request.user = people["admin"]
    page = django_admin.site.get_model_admin(model)
    assert isinstance(page, DraftAdmin)
    for stored in (None, model()):
        form = page.get_form(request, stored)()
        assert all(map(form_drafts.is_secret, list_secret_fields(form)))
        plain = form.fields.keys() - set(list_secret_fields(form))
        assert not any(map(form_drafts.is_secret, plain - {"password"}))


@pytest.mark.parametrize("page", [ADD, "/admin/isales_proxy/user/{agent}/change/"])
def test_half_filled_person_form_is_restored_without_its_password(
    admin: Client, people: dict[str, User], page: str
) -> None:
    address = page.format(agent=people["agent"].pk)
    typed = {"username": "half", "password1": SECRET, "accesses-0-role": "supervisor"}
    kept = admin.post("/preferences/draft/", filled(admin, address, typed))
    assert kept.status_code == 204
    again = text_of(admin.get(address))
    assert "data-restored" in again
    assert "errorlist" not in again
    assert form_of(again)["username"] == "half"
    assert form_of(again)["accesses-0-role"] == "supervisor"
    assert SECRET not in again + drafts()
    over = admin.post(address, form_of(again) | {"discard": "again"})
    assert (over.status_code, over.headers["Location"]) == (303, address)
    assert form_of(text_of(admin.get(address))).get("username") != "half"
    assert not User.objects.filter(username="half").exists()


def test_refused_password_of_another_person_is_reported_once_after_a_redirect(
    admin: Client, people: dict[str, User]
) -> None:
    address = f"/admin/isales_proxy/user/{people['agent'].pk}/password/"
    wrong = {"password1": SECRET, "password2": "another", "usable_password": "true"}
    answer = admin.post(address, filled(admin, address, wrong))
    assert (answer.status_code, answer.headers["Location"]) == (303, address)
    told, again = (text_of(admin.get(address)) for _ in range(2))
    assert "password fields didn’t match" in told
    assert "password fields didn’t match" not in again
    assert SECRET not in told + str(answer.cookies)


def test_access_form_is_restored_after_the_session_ended(
    admin: Client, people: dict[str, User]
) -> None:
    address = f"/admin/isales_proxy/access/{Access.objects.get(user=people['agent']).pk}/change/"
    form = filled(admin, address, {"agent_account": "2001"})
    admin.logout()
    led = admin.post(address, form)
    assert led.headers["Location"].startswith("/accounts/login/")
    admin.force_login(people["admin"])
    wanted = QueryDict(led.headers["Location"].partition("?")[2])["next"]
    page = admin.get(wanted)
    assert "data-undone" in text_of(page)
    assert form_of(text_of(page))["agent_account"] == "2001"
    assert Access.objects.get(user=people["agent"]).agent_account == "116"


def test_form_to_add_a_person_sent_twice_adds_one(admin: Client) -> None:
    form = filled(admin, ADD, WEI)
    first = admin.post(ADD, form)
    made = User.objects.get(username="wei")
    assert (first.status_code, str(made.pk) in first.headers["Location"]) == (302, True)
    again = admin.post(ADD, form | {"username": "wei2"})
    assert again.headers["Location"] == first.headers["Location"]
    assert not User.objects.filter(username="wei2").exists()
    # A draft that arrives after its form brings nothing back.
    assert admin.post("/preferences/draft/", form).status_code == 204
    assert "data-restored" not in text_of(admin.get(ADD))
