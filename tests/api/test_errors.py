"""Errors of the JSON API: problem+json for every error, 401 for anonymous requests."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from isales_proxy import access
from isales_proxy.api.errors import handle_exception
from isales_proxy.models import CallDataBatch, User, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.cases import cases

PROBLEM = "application/problem+json"
ADDRESSES = [
    "/api/v1/vdns/",
    "/api/v1/vdns/88/reservations/",
    "/api/v1/vdns/88/result-codes/",
    "/api/schema/",
    "/api/nothing/here/",
]


@pytest.mark.django_db
@cases("path", ADDRESSES)
def test_request_without_credentials_gets_401_with_the_scheme(path: str) -> None:
    answer = Client().get(path)
    body = answer.json()
    assert answer.status_code == body["status"] == 401
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.headers["WWW-Authenticate"].startswith("Session ")
    assert set(body) == {"type", "title", "status", "detail", "request_id"}


@pytest.mark.django_db
def test_docs_redirect_to_the_log_in_without_a_session() -> None:
    answer = Client().get("/api/docs/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/accounts/login/?next=/api/docs/"


@cases("method", ["get", "post", "put", "delete", "options"])
def test_unknown_address_is_404_as_a_problem(as_role: Any, method: str) -> None:
    answer = getattr(as_role("admin"), method)("/api/v1/vdns/88/nothing/")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == PROBLEM


def test_missing_trailing_slash_redirects_get_requests_only(as_role: Any) -> None:
    admin = as_role("admin")
    answer = admin.get("/api/v1/vdns?a=1")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/api/v1/vdns/?a=1")
    assert admin.post("/api/v1/vdns/88/result-codes/refresh").status_code == 404
    assert admin.get("/api/v1/nothing").status_code == 404


def test_wrong_method_gets_405_with_the_allowed_methods(as_role: Any) -> None:
    answer = as_role("admin").post("/api/v1/vdns/")
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == PROBLEM
    assert "GET" in answer.headers["Allow"]


def test_session_request_without_csrf_token_is_refused(people: dict[str, User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    answer = client.post("/api/v1/vdns/88/result-codes/refresh/")
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == PROBLEM
    assert "CSRF" in answer.json()["detail"]


def test_unexpected_error_is_500_without_details(
    as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_user: object) -> None:
        raise RuntimeError("secret of the house")

    client = as_role("admin")
    monkeypatch.setattr(access, "get_scopes", fail)
    answer = client.get("/api/v1/vdns/")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == PROBLEM
    assert "secret" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
    assert answer.json()["request_id"]


def test_request_id_of_a_problem_is_the_logged_one(as_role: Any) -> None:
    import structlog

    client = as_role("admin")
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        answer = client.get("/api/v1/vdns/4711/reservations/")
    ids = {line["request_id"] for line in lines if line["event"] == "request_finished"}
    assert ids == {answer.json()["request_id"]}


@pytest.mark.django_db
def test_validation_errors_of_the_framework_are_422_by_field() -> None:
    from rest_framework.exceptions import ValidationError

    answer = handle_exception(ValidationError({"name": ["too long"]}), {})
    assert answer.status_code == 422
    assert b'"errors": {"name": ["too long"]}' in answer.content


@cases(("language", "words"), [("en", "not allowed"), ("zh-Hans", "不被允许")])
def test_problem_details_are_in_the_language_of_the_request(
    as_role: Any, language: str, words: str
) -> None:
    answer = as_role("admin").delete("/api/v1/vdns/", headers={"Accept-Language": language})
    assert words in answer.json()["detail"]


def test_throttled_request_gets_429_with_retry_after(
    as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "1/min"})
    client = as_role("admin")
    assert client.get("/api/v1/vdns/").status_code == 200
    answer = client.get("/api/v1/vdns/")
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == PROBLEM
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@cases(
    "body",
    [
        '{"unique_id": "u", "service_id": "1", "key": "\\ud800"}',
        '{"unique_id": "u", "service_id": "1", "device_type": "\\udfff\\ud800"}',
        '{"batch_count": 1, "\\ud800": 1}',
        '{"batch_count": 500, "batch_count": 1, "confirm": true}',
        '{"batch_count": 1, "confirm": true, "confirm": true}',
        '{"unique_id": "u", "service_id": "1", "unique_id": "v"}',
        '{"unique_id": "u", "service_id": "1", "status": {"a": 1, "a": 2}}',
        '[{"a": [{"b": 1, "b": 1}]}]',
        '{"batch_count": NaN, "confirm": true}',
        "[" * 100_000,
        '{"reason": ' + "[" * 50_000 + "]" * 50_000 + "}",
    ],
)
@cases("path", ["write-backs/", "tasks/1/call-data/"])
def test_ambiguous_or_unstorable_json_is_refused(
    vendor: Simulator,
    as_role: Any,
    path: str,
    body: str,
) -> None:
    answer = as_role("supervisor").post(
        f"/api/v1/vdns/88/{path}", body, content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == PROBLEM
    assert not WriteBack.objects.exists()
    assert not CallDataBatch.objects.exists()


@cases(
    ("path", "role"),
    [
        ("result-codes/refresh/?preveiw=true", "admin"),
        ("write-backs/1/retry/?dry_run=1", "supervisor"),
    ],
)
def test_unknown_query_parameter_is_refused(
    vendor: Simulator, as_role: Any, path: str, role: str
) -> None:
    answer = as_role(role).post(f"/api/v1/vdns/88/{path}")
    assert answer.status_code == 422
    assert list(vendor.calls) == []


@cases(
    ("path", "role"), [("result-codes/refresh/", "admin"), ("write-backs/1/cancel/", "supervisor")]
)
@cases("kind", [{"content_type": "application/json"}, {}])
def test_unknown_parameter_in_the_body_is_refused(
    vendor: Simulator, as_role: Any, path: str, role: str, kind: dict[str, Any]
) -> None:
    answer = as_role(role).post(f"/api/v1/vdns/88/{path}", {"preview": True}, **kind)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["preview"]
    assert list(vendor.calls) == []
