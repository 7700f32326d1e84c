"""Django's admin: changes need a recent log-in, a change of the own password the old one."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib import admin as django_admin
from django.test import Client

from isales_proxy.models import AuditAction, AuditEvent, User
from tests.support.pages import form_of
from tests.support.second_factor import log_in, set_up_app

ADMIN = "/admin/isales_proxy/"
AGAIN = "/accounts/reauthenticate/"
PASSWORD = "pass-word-1"


def stale(clock: Any, name: str = "admin") -> Client:
    """Return a client whose log-in is too old for changes."""
    client = log_in(name)
    clock.shift(600)
    return client


@pytest.fixture
def clock() -> Any:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as found:
        yield found


@pytest.mark.parametrize(
    "page",
    ["user/add/", "user/{agent}/change/", "user/{agent}/password/", "user/{agent}/delete/",
     "vdn/88/change/", "access/add/"],
)  # fmt: skip
def test_form_requires_recent_authentication_before_it_is_shown(
    people: dict[str, User], clock: Any, page: str
) -> None:
    address = ADMIN + page.format(agent=people["agent"].pk)
    client = log_in("admin")
    assert client.get(address).status_code == 200
    clock.shift(600)
    answer = client.get(address)
    assert answer.headers["Location"].startswith(AGAIN)
    proved = client.post(answer.headers["Location"], {"password": PASSWORD})
    assert proved.headers["Location"] == address
    assert client.get(address).status_code == 200


def test_submitted_form_is_processed_after_reauthentication(
    people: dict[str, User], clock: Any
) -> None:
    address = f"{ADMIN}user/{people['agent'].pk}/change/"
    client = log_in("admin")
    form = form_of(client.get(address).content.decode()) | {"first_name": "Wei"}
    clock.shift(600)
    asked = client.post(address, form)
    assert asked.headers["Location"].startswith(AGAIN)
    people["agent"].refresh_from_db()
    assert people["agent"].first_name == ""
    client.post(asked.headers["Location"], {"password": PASSWORD})
    people["agent"].refresh_from_db()
    assert people["agent"].first_name == "Wei"


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("user/{agent}/password/", {"password1": "New-secret-77", "password2": "New-secret-77"}),
        ("vdn/88/change/", {"access_key": "New-secret-77", "secret_key": "New-secret-77"}),
    ],
)
def test_secrets_are_not_stored_in_the_session_during_reauthentication(
    people: dict[str, User], clock: Any, page: str, form: dict[str, str]
) -> None:
    address = ADMIN + page.format(agent=people["agent"].pk)
    client = stale(clock)
    asked = client.post(address, form)
    assert asked.headers["Location"].startswith(AGAIN)
    assert "New-secret-77" not in str(dict(client.session.items()))
    client.post(asked.headers["Location"], {"password": PASSWORD})
    assert "Nothing was changed" in client.get(address).content.decode()
    assert Client().login(username="agent", password=PASSWORD)


@pytest.mark.parametrize("action", ["reset_second_factor", "end_sessions", "delete_selected"])
def test_list_actions_require_reauthentication(
    people: dict[str, User], clock: Any, action: str
) -> None:
    client = stale(clock)
    form = {"action": action, "_selected_action": str(people["agent"].pk)}
    form |= {"confirmed": "yes", "post": "yes"}
    assert client.post(f"{ADMIN}user/", form).headers["Location"].startswith(AGAIN)
    assert User.objects.filter(username="agent").exists()


def test_own_password_cannot_be_changed_in_the_admin(as_role: Any, people: Any) -> None:
    client = as_role("admin")
    new = {"usable_password": "true", "password1": "New-secret-77", "password2": "New-secret-77"}
    for address in (f"{ADMIN}user/{people['admin'].pk}/password/", "/admin/password_change/"):
        answer = client.post(address, new | {"old_password": PASSWORD})
        assert answer.headers["Location"] == "/accounts/password/change/"
    assert Client().login(username="admin", password=PASSWORD)


def test_wrong_old_passwords_are_limited_like_log_ins(people: dict[str, User], clock: Any) -> None:
    client = log_in("admin")
    change = "/accounts/password/change/"
    new = {"password1": "New-secret-77", "password2": "New-secret-77"}
    for number in range(6):
        client.post(change, new | {"oldpassword": f"no-{number}"})
        clock.shift(15)
    assert client.post(change, new | {"oldpassword": PASSWORD}).status_code == 303
    assert Client().login(username="admin", password=PASSWORD)
    assert "_auth_user_id" not in log_in("admin").session
    assert AuditEvent.objects.filter(action=AuditAction.LOG_IN_FAILED).count() == 6
    assert AuditEvent.objects.filter(action=AuditAction.LOG_IN_LOCKED).exists()


@pytest.mark.django_db(transaction=True)
def test_own_second_factor_cannot_be_reset_in_the_admin(people: dict[str, User]) -> None:
    client = log_in("admin")
    set_up_app(client)
    form = {"action": "reset_second_factor", "_selected_action": str(people["admin"].pk)}
    client.post(f"{ADMIN}user/", form | {"confirmed": "yes"})
    assert Authenticator.objects.filter(user=people["admin"], type="totp").exists()


def test_admin_refuses_other_roles_and_asks_strangers_to_log_in(as_role: Any) -> None:
    for page in ("", "isales_proxy/user/", "password_change/"):
        assert as_role("supervisor").get(f"/admin/{page}").status_code == 403
        assert Client().get(f"/admin/{page}").headers["Location"].startswith("/admin/login/")


@pytest.mark.django_db
def test_lists_cannot_be_filtered_by_undeclared_fields(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    assert django_admin.site._registry
    for model, model_admin in django_admin.site._registry.items():
        meta = model._meta
        page = f"/admin/{meta.app_label}/{meta.model_name}/"
        fields = [field.name for field in meta.get_fields()]
        for name in [*fields, "auth_token_set__digest", "user__password", "vdn__secret_key"]:
            asked = {f"{name}__startswith": "a"}
            assert client.get(page, asked).status_code in {400, 302}, (page, name)
        assert client.get(page).status_code == 200, model_admin


def test_people_can_be_filtered_by_role_vdn_and_state(
    as_role: Any, people: dict[str, User]
) -> None:
    asked = {
        "accesses__role__exact": "auditor",
        "is_active__exact": "1",
        "accesses__vdn__id__exact": "88",
    }
    page = as_role("admin").get(f"{ADMIN}user/", asked).content.decode()
    assert ">auditor<" in page
    assert ">supervisor<" not in page
