"""Authentication of the JSON API by tokens, and the permissions of each scope."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import URLPattern
from time_machine import Traveller

from isales_proxy.accounts import tokens
from isales_proxy.api import throttles
from isales_proxy.api.permissions import get_needed_scope
from isales_proxy.api.urls import _v1, _vdn, urlpatterns
from isales_proxy.models import Access, ApiToken, Role, TokenScope, User
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.tokens import as_program, program, token_of

PROBLEM = "application/problem+json"
VDNS = "/api/v1/vdns/"
ROWS = "/api/v1/vdns/88/reservations/"
CODES = "/api/v1/vdns/88/result-codes/"
WRITE = "/api/v1/vdns/88/write-backs/"
READ, WRITES, ADMIN = TokenScope.READ, TokenScope.WRITE, TokenScope.ADMIN
GOOD = "cb_" + "0a" * 32


def test_token_gives_the_access_of_its_person(vendor: Simulator, people: dict[str, User]) -> None:
    client = as_program(people["agent"], READ)
    assert client.get(VDNS).json()["results"][0]["role"] == "agent"
    rows = client.get(ROWS).json()["results"]
    assert rows
    assert {row["user_account"] for row in rows} == {"116"}
    assert client.get("/api/v1/vdns/89/reservations/").status_code == 404
    assert client.get("/api/schema/").status_code == 200


@cases(
    "header",
    [
        f"Token {GOOD}",
        f"Token {GOOD},{GOOD}",
        f"Token {GOOD}\x00",
        f"Token {'a' * 7000}",
        "Token cb_" + "z" * 64,
        "Token cb_" + "\xff\xfe" * 32,
        "Token cb_'OR+1=1--",
    ],
)
def test_every_invalid_token_gets_the_same_answer(people: dict[str, User], header: str) -> None:
    # With a good session, too: the header decides.
    client = Client()
    client.force_login(people["admin"])
    answer = client.get(VDNS, HTTP_AUTHORIZATION=header)
    assert same(answer) == same(Client().get(VDNS, HTTP_AUTHORIZATION="Token cb_unknown"))
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == PROBLEM
    assert 'Token realm="Callboard"' in answer.headers["WWW-Authenticate"]
    assert "not valid" in answer.json()["detail"]


def same(answer: Any) -> tuple[Any, ...]:
    """Return the parts of a response that a stranger could compare."""
    body = answer.json()
    body.pop("request_id")
    headers = {name: value for name, value in answer.headers.items() if name != "Expires"}
    return answer.status_code, body, sorted(headers)


def test_tokens_expired_revoked_or_of_inactive_people_are_answered_as_unknown(
    clock: Traveller,
    people: dict[str, User],
) -> None:
    unknown = same(program(GOOD).get(VDNS))
    _token, text = token_of(people["admin"], ADMIN, days=7)
    assert program(text).get(VDNS).status_code == 200
    clock.shift(timedelta(days=7, seconds=1))
    assert same(program(text).get(VDNS)) == unknown

    revoked, text = token_of(people["admin"], ADMIN)
    tokens.revoke(by=people["admin"], token=revoked)
    assert same(program(text).get(VDNS)) == unknown

    _token, text = token_of(people["supervisor"], READ)
    people["supervisor"].is_active = False
    people["supervisor"].save()
    assert same(program(text).get(VDNS)) == unknown


def test_token_scheme_is_case_insensitive(people: dict[str, User]) -> None:
    text = token_of(people["agent"], READ)[1]
    assert Client(headers={"Authorization": f"tOKEN  {text}"}).get(VDNS).status_code == 200
    assert program(text.upper()).get(VDNS).status_code == 401


def test_token_opens_no_page(people: dict[str, User]) -> None:
    client = as_program(people["admin"], ADMIN)
    for page in ("/vdn/88/reservations/", "/accounts/tokens/", "/api/docs/", "/admin/"):
        answer = client.get(page)
        assert answer.status_code == 302, page
        assert "login" in answer.headers["Location"]
    assert not client.cookies.get("callboard-session")


def test_token_needs_no_csrf_token_and_a_session_does(people: dict[str, User]) -> None:
    text = token_of(people["admin"], ADMIN)[1]
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {text}"})
    assert client.post(WRITE, {}, content_type="application/json").status_code == 422
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    assert client.post(WRITE, {}, content_type="application/json").status_code == 403


@cases(
    ("method", "path", "needed"),
    [
        ("get", ROWS, READ),
        ("head", CODES, READ),
        ("options", VDNS, READ),
        ("post", WRITE, WRITES),
        ("post", f"{WRITE}1/retry/", WRITES),
        ("post", f"{WRITE}1/cancel/", WRITES),
        ("post", "/api/v1/vdns/88/tasks/1/call-data/", WRITES),
        ("post", f"{CODES}refresh/", ADMIN),
    ],
)
def test_each_operation_requires_its_scope(
    vendor: Simulator, people: dict[str, User], method: str, path: str, needed: TokenScope
) -> None:
    ranked = list(TokenScope)
    assert len(ranked) == 3
    for scope in ranked:
        client = as_program(people["admin"], scope)
        answer = getattr(client, method)(path, {}, content_type="application/json")
        if ranked.index(scope) >= ranked.index(needed):
            assert answer.status_code not in {401, 403, 405}, scope
            continue
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == PROBLEM
        assert answer.json()["scope"] == needed.value
        assert f"“{needed.value}”" in answer.json()["detail"]


def test_scope_never_exceeds_the_role_of_the_person(
    vendor: Simulator, people: dict[str, User]
) -> None:
    auditor = as_program(people["auditor"], ADMIN)
    assert auditor.post(WRITE, {}, content_type="application/json").status_code == 403
    assert "role" in auditor.post(f"{CODES}refresh/").json()["detail"]
    # What is taken from the person is taken from the token, at once.
    admin = as_program(people["admin"], ADMIN)
    assert admin.post(f"{CODES}refresh/").status_code == 200
    Access.objects.filter(user=people["admin"]).update(role=Role.AUDITOR)
    assert admin.post(f"{CODES}refresh/").status_code == 403


def test_missing_method_gets_405_with_any_scope(people: dict[str, User]) -> None:
    answer = as_program(people["agent"], READ).delete(VDNS)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_last_use_is_stored_once_a_minute(people: dict[str, User]) -> None:
    token, text = token_of(people["agent"], READ)
    began = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    ApiToken.objects.update(expiry=began + timedelta(days=1))
    seen = []
    for seconds in (0, 30, 61):
        with time_machine.travel(began + timedelta(seconds=seconds), tick=False):
            program(text).get(VDNS, REMOTE_ADDR=f"192.0.2.{seconds}")
        token.refresh_from_db()
        assert token.last_used_at is not None
        seen.append(((token.last_used_at - began).seconds, token.last_used_from))
    assert seen == [(0, "192.0.2.0"), (0, "192.0.2.0"), (61, "192.0.2.61")]


def test_each_token_is_throttled_separately(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"user": "1/min", "token_read": "3/min", "token_write": "2/min"}
    for kind in (throttles.SessionThrottle, throttles.TokenReads, throttles.TokenWrites):
        monkeypatch.setattr(kind, "THROTTLE_RATES", rates)
    first, second = (as_program(people["admin"], ADMIN) for _ in range(2))
    assert [first.get(VDNS).status_code for _ in range(4)] == [200, 200, 200, 429]
    writes = [first.post(WRITE, {}, content_type="application/json") for _ in range(3)]
    assert [answer.status_code for answer in writes] == [422, 422, 429]
    assert writes[-1].headers["Content-Type"] == PROBLEM
    assert int(writes[-1].headers["Retry-After"]) >= 1
    assert second.get(VDNS).status_code == 200
    session = Client()
    session.force_login(people["admin"])
    assert [session.get(VDNS).status_code for _ in range(2)] == [200, 429]


def test_token_is_not_logged(people: dict[str, User]) -> None:
    import structlog

    token, text = token_of(people["agent"], READ)
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        program(text).get(VDNS)
        program(text[:-1] + "0").get(VDNS)
    assert text[16:] not in str(lines)
    finished = [line for line in lines if line["event"] == "request_finished"]
    assert finished[0]["user_id"] == people["agent"].pk
    assert finished[0]["token"] == token.token_key


def views() -> list[tuple[str, Any]]:
    found = [entry for entry in [*_v1, *_vdn, *urlpatterns] if isinstance(entry, URLPattern)]
    return [
        (str(entry.name), entry.callback.view_class)  # type: ignore[union-attr]
        for entry in found
        # The docs are a page, whose reader is a person.
        if str(entry.name).startswith("api-")
        and entry.name != "api-docs"
        and hasattr(entry.callback, "view_class")
    ]


def test_more_than_twelve_views_are_examined() -> None:
    assert len(views()) > 12


@cases(("name", "view"), views())
def test_every_view_declares_the_scope_of_each_of_its_methods(name: str, view: Any) -> None:
    methods = {
        method.upper()
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(view, method)
    }
    assert set(view.needs) >= methods, name
    for method in methods - {"GET"}:
        assert get_needed_scope(view, method) is not TokenScope.READ, name
