"""The settings in effect: everything that an admin reaches, and no secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.test import Client

from isales_proxy.core.settings import Variable
from isales_proxy.models import Access, ApiToken, Role, User, Vdn
from isales_proxy.vendor import vdn_keys
from tests.support.cases import cases

ADDRESS = "/vdn/88/settings/"


def text_of(client: Client) -> str:
    answer = client.get(ADDRESS)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.content.decode()


@cases("role", ["agent", "supervisor", "auditor"])
def test_other_roles_than_admin_are_refused(as_role: Any, role: str) -> None:
    assert as_role(role).get(ADDRESS).status_code == 403


def test_people_are_listed_with_their_access(as_role: Any) -> None:
    text = text_of(as_role("admin"))
    for words in ("VDN 88 · Agent · agent account 116", "VDN 88 · Supervisor", "VDN 88 · Auditor"):
        assert words in text


def test_access_to_a_vdn_out_of_scope_is_not_shown(as_role: Any) -> None:
    text = text_of(as_role("admin"))
    assert ">both<" in text
    assert "VDN 89" not in text


def test_person_out_of_scope_is_not_linked(as_role: Any, people: dict[str, User]) -> None:
    text = text_of(as_role("admin"))
    assert f"/admin/isales_proxy/user/{people['agent'].pk}/change/" in text
    assert f"/admin/isales_proxy/user/{people['both'].pk}/change/" not in text


def test_superuser_sees_people_without_access(people: dict[str, User]) -> None:
    root = User.objects.create_superuser("root", password="pass-word-1")
    User.objects.create_user("newcomer", password="pass-word-1")
    Access.objects.create(user=root, vdn_id=88, role=Role.ADMIN)
    client = Client()
    client.force_login(root)
    text = text_of(client)
    assert "newcomer" in text
    assert "VDN 89" in text


def test_state_of_the_second_factor_is_shown(as_role: Any, people: dict[str, User]) -> None:
    assert "authenticator app" not in text_of(as_role("admin"))
    Authenticator.objects.create(user=people["agent"], type=Authenticator.Type.TOTP, data={})
    assert text_of(as_role("admin")).count("authenticator app") == 1


def test_own_keys_of_a_vdn_are_named_without_their_values(
    as_role: Any, people: dict[str, User]
) -> None:
    vdn_keys.change_keys(
        vdn=Vdn.objects.get(pk=88),
        by=people["admin"],
        put={"access_key": "very-secret-key-of-88", "secret_key": "very-secret-too"},
        take=frozenset(),
    )
    text = text_of(as_role("admin"))
    assert "access key" in text
    assert "very-secret" not in text


def test_token_is_listed_by_name_without_its_secret(as_role: Any, people: dict[str, User]) -> None:
    kept, secret = ApiToken.objects.create(
        people["agent"], expiry=timedelta(days=7), name="Wallboard"
    )
    _foreign, _ = ApiToken.objects.create(people["both"], expiry=timedelta(days=7), name="Foreign")
    text = text_of(as_role("admin"))
    assert "Wallboard" in text
    assert "Foreign" not in text
    assert secret not in text
    assert kept.digest not in text


def test_environment_variables_are_shown_without_secrets(as_role: Any, settings: Any) -> None:
    settings.VARIABLES = (
        Variable("ISALES_BASE_URL", "https://10.0.0.1:28443", True, "environment", False),
        Variable("ISALES_SECRET_KEY", "", True, "file", True),
        Variable("CACHE_URL", "", False, "default", False),
    )
    text = text_of(as_role("admin"))
    assert "https://10.0.0.1:28443" in text
    assert text.count("set, hidden") == 1
    assert text.count("not set") == 1
    assert "file" in text


def test_page_contains_no_secret(as_role: Any) -> None:
    text = text_of(as_role("admin"))
    assert django_settings.SECRET_KEY not in text
    assert "SECRET_KEY" in text
