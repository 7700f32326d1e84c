"""Single sign-on: accounts and roles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from isales_proxy.models import Access, AuditAction, AuditEvent, Role, User
from tests.support.cases import cases
from tests.support.oidc import Provider
from tests.support.second_factor import GIVE, LOG_IN, log_in, set_up_app
from tests.support.single_sign_on import BEGIN, come, configure, is_in

pytestmark = pytest.mark.django_db


def test_person_with_a_mapped_role_is_let_in(provider: Provider) -> None:
    client, answer = come(provider, to="/vdn/88/tasks/")
    assert answer.headers["Location"] == "/vdn/88/tasks/"
    assert is_in(client)
    person = User.objects.get(username="chen")
    assert person.get_full_name() == "Chen Wei"
    assert not person.has_usable_password()
    assert not person.is_superuser
    row = Access.objects.get(user=person)
    assert (row.vdn_id, row.role, row.from_claims) == (88, "supervisor", True)
    assert AuditEvent.objects.filter(action=AuditAction.ACCESS_CHANGED, subject="chen").exists()


def test_log_in_page_offers_single_sign_on(provider: Provider) -> None:
    text = Client().get(f"{LOG_IN}?next=/vdn/88/tasks/").content.decode()
    assert f'href="{BEGIN}?next=%2Fvdn%2F88%2Ftasks%2F"' in text
    assert "Log in with Example" in text


def test_single_sign_on_is_404_without_configuration() -> None:
    for path in (BEGIN, f"{BEGIN}callback/", f"{BEGIN}cancelled/"):
        assert Client().get(path).status_code == 404
    assert b"single-sign-on" not in Client().get(LOG_IN).content


def test_state_nonce_and_pkce_differ_between_attempts(provider: Provider) -> None:
    come(provider)
    come(provider)
    first, second = provider.asked
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 16
        assert first[name] != second[name]
    assert set(first["scope"].split()) == {"openid", "profile"}


def test_parameters_of_a_link_are_not_passed_to_the_provider(provider: Provider) -> None:
    answer = Client().get(f"{BEGIN}?auth_params=prompt%3Dnone&scope=admin&process=connect")
    assert "prompt" not in answer.headers["Location"]
    assert "admin" not in answer.headers["Location"]


def test_foreign_next_address_is_replaced_by_the_home_page(provider: Provider) -> None:
    _client, answer = come(provider, to="https://evil.example/")
    assert answer.headers["Location"] == "/"


@cases("roles", [[], ["other"], None, "callboard", {"a": 1}, [["callboard-sup"]], 7])
def test_person_without_a_mapped_role_is_refused(provider: Provider, roles: Any) -> None:
    provider.claims["roles"] = roles
    client, answer = come(provider)
    assert answer.status_code == 403
    assert b"You do not have access to Callboard" in answer.content
    assert not is_in(client)
    assert not User.objects.filter(username="chen").exists()


def test_removed_role_ends_access_and_sessions_at_the_next_log_in(provider: Provider) -> None:
    first, _answer = come(provider)
    assert is_in(first)
    provider.claims["roles"] = []
    second, answer = come(provider)
    assert answer.status_code == 403
    assert not is_in(second)
    assert not is_in(first)
    assert not Access.objects.filter(user__username="chen").exists()
    assert User.objects.filter(username="chen").count() == 1


def test_access_follows_the_claims_at_each_log_in(provider: Provider) -> None:
    come(provider)
    provider.claims["roles"] = ["callboard-sup", "callboard-adm", "sales"]
    come(provider)
    person = User.objects.get(username="chen")
    assert dict(person.accesses.values_list("vdn_id", "role")) == {88: "admin", 89: "auditor"}
    assert person.is_staff
    provider.claims["roles"] = "sales"
    come(provider)
    person.refresh_from_db()
    assert dict(person.accesses.values_list("vdn_id", "role")) == {89: "auditor"}
    assert not person.is_staff


def test_access_granted_by_hand_is_not_changed_by_claims(provider: Provider) -> None:
    come(provider)
    person = User.objects.get(username="chen")
    person.accesses.update(role=Role.AUDITOR, from_claims=False)
    provider.claims["roles"] = ["callboard-adm"]
    come(provider)
    assert dict(person.accesses.values_list("vdn_id", "role")) == {88: "auditor"}


def test_agent_role_requires_a_valid_agent_account(provider: Provider) -> None:
    provider.claims["roles"] = ["callboard-agent"]
    _client, answer = come(provider)
    assert answer.status_code == 403
    for wrong in ("1 1 6", "1,2", "1" * 500, ["116"]):
        provider.claims["agent"] = wrong
        _client, answer = come(provider)
        assert answer.status_code == 403
    provider.claims["agent"] = 116
    client, _answer = come(provider)
    assert is_in(client)
    assert Access.objects.get(user__username="chen").agent_account == "116"


def test_roles_are_read_from_userinfo_by_a_nested_path(provider: Provider, settings: Any) -> None:
    sso = replace(settings.SIGN_IN.single_sign_on, role_claim="realm_access.roles")
    configure(settings, sso)
    del provider.claims["roles"]
    provider.userinfo = {"sub": "1001", "realm_access": {"roles": ["callboard-sup"]}}
    client, _answer = come(provider)
    assert is_in(client)


@cases("name", ["supervisor", "SUPERVISOR", "admin", "root"])
def test_user_name_of_another_person_gives_no_access_to_their_account(
    provider: Provider, name: str
) -> None:
    User.objects.create_superuser("root", "root@example.org", "pass-word-1")
    before = set(User.objects.values_list("pk", "password"))
    provider.claims |= {
        "preferred_username": name,
        "email": "root@example.org",
        "email_verified": True,
        "roles": ["sales"],
    }
    client, _answer = come(provider)
    assert not is_in(client)
    assert client.get("/vdn/89/result-codes/").status_code == 200
    assert client.get("/admin/").status_code == 403
    person = User.objects.exclude(pk__in=[pk for pk, _password in before]).get()
    assert person.username.lower() != name.lower()
    assert before <= set(User.objects.values_list("pk", "password"))


@cases("name", [None, "", "a b;<script>", "x" * 400, 7, "管理"])
def test_invalid_user_name_is_replaced(provider: Provider, name: Any) -> None:
    provider.claims["preferred_username"] = name
    client, _answer = come(provider)
    assert is_in(client)


def test_inactive_person_is_not_let_in(provider: Provider) -> None:
    come(provider)
    User.objects.filter(username="chen").update(is_active=False)
    client, _answer = come(provider)
    assert not is_in(client)


def test_only_superusers_log_in_by_password_when_single_sign_on_is_the_only_way(
    provider: Provider, settings: Any
) -> None:
    configure(settings, replace(settings.SIGN_IN.single_sign_on, only=True))
    User.objects.create_superuser("root", "", "pass-word-1")
    wrong = Client().post(LOG_IN, {"login": "supervisor", "password": "wrong"}, follow=True)
    right = Client().post(LOG_IN, {"login": "supervisor", "password": "pass-word-1"}, follow=True)
    assert (wrong.status_code, right.status_code) == (200, 200)
    assert wrong.context["form"].errors == right.context["form"].errors
    assert Client().login(username="supervisor", password="pass-word-1") is False
    assert log_in("root").get("/admin/").status_code == 200
    client, _answer = come(provider)
    assert is_in(client)


def test_tokens_and_other_claims_are_not_stored(provider: Provider) -> None:
    from allauth.account.models import EmailAddress
    from allauth.socialaccount.models import SocialAccount, SocialToken

    provider.claims["email"] = "chen@example.org"
    come(provider)
    assert SocialAccount.objects.get().extra_data == {
        "roles": ["callboard-sup"],
        "agent_account": None,
    }
    assert not SocialToken.objects.exists()
    assert not EmailAddress.objects.exists()
    assert User.objects.get(username="chen").email == ""


def test_person_without_a_password_cannot_change_it(provider: Provider) -> None:
    client, _answer = come(provider)
    answer = client.get("/accounts/password/change/", follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/"
    assert b"have no password here" in answer.content


def test_second_factor_is_required_after_single_sign_on(provider: Provider) -> None:
    client, _answer = come(provider)
    set_up_app(client)
    other, answer = come(provider)
    assert answer.headers["Location"] == GIVE
    assert not is_in(other)
