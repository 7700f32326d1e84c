"""Settings of the log-in, and the messages for wrong ones."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.account.single_sign_on import get_claim
from dashboard.account.views import describe_device
from dashboard.environment import groups
from dashboard.environment.variables import Variables
from isales_proxy.core.settings import Grant, ISalesSettings, SignIn
from tests.support.cases import cases

WHOLE = {
    "OIDC_ISSUER": "https://id.example.org/realms/calls",
    "OIDC_CLIENT_ID": "callboard",
    "OIDC_CLIENT_SECRET": "very-secret-indeed",
    "OIDC_ROLE_MAP": "callboard-sup=supervisor@88, a=b=admin@89",
}


def read_sign_in() -> SignIn:
    env = Variables()
    found = groups.read_sign_in(env)
    env.finish(
        groups.find_problems(debug=True, secret_key="", isales=ISalesSettings(), sign_in=found)
    )
    return found


def test_complete_provider_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)
    sso = read_sign_in().single_sign_on
    assert sso is not None
    assert sso.grants == (
        Grant("callboard-sup", "supervisor", 88),
        Grant("a=b", "admin", 89),
    )
    assert "very-secret-indeed" not in repr(sso)


def test_no_setting_is_required() -> None:
    found = read_sign_in()
    assert found == SignIn()


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"OIDC_ISSUER": "https://id.example.org"}, "OIDC_CLIENT_ID"),
        ({"OIDC_ONLY": "1"}, "OIDC_ISSUER"),
        ({**WHOLE, "OIDC_ISSUER": "http://id.example.org"}, "OIDC_ISSUER"),
        ({**WHOLE, "OIDC_ROLE_MAP": "x=boss@88"}, "OIDC_ROLE_MAP"),
        ({**WHOLE, "OIDC_ROLE_MAP": "x=admin"}, "OIDC_ROLE_MAP"),
        ({**WHOLE, "OIDC_ROLE_MAP": "x=admin@0"}, "OIDC_ROLE_MAP"),
        ({**WHOLE, "OIDC_ROLE_MAP": "x=agent@88"}, "OIDC_AGENT_ACCOUNT_CLAIM"),
        ({"SECOND_FACTOR_FOR": "boss"}, "SECOND_FACTOR_FOR"),
        ({"SESSION_HOURS": "0"}, "SESSION_HOURS"),
        ({"SESSION_IDLE_MINUTES": "soon"}, "SESSION_IDLE_MINUTES"),
    ],
)
def test_invalid_setting_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], named: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as told:
        read_sign_in()
    assert named in str(told.value)
    assert "very-secret-indeed" not in str(told.value)


@cases(
    ("header", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox · Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge · Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari · iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("<script>", "Unknown device"),
    ],
)
def test_device_is_described_by_browser_and_system(header: str, words: str) -> None:
    assert describe_device(header) == words


def test_claim_is_found_by_its_name_before_its_path() -> None:
    claims = {"a.b": 1, "a": {"b": 2, "c": {"d": 3}}}
    assert get_claim(claims, "a.b") == 1
    assert get_claim(claims, "a.c.d") == 3
    assert get_claim(claims, "a.x.d") is None
    assert get_claim(claims, "") is None
