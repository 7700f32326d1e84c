"""The schema and its docs page, which need nothing from outside."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.staticfiles import finders
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from isales_proxy.models import TokenScope
from isales_proxy.simulator import Simulator


def schema(client: Any) -> Any:
    answer = client.get("/api/schema/", {"format": "json"})
    assert answer.status_code == 200
    return answer.json()


def test_schema_is_valid_and_has_every_address(as_role: Any) -> None:
    found = schema(as_role("agent"))
    validate(found)
    assert found["openapi"].startswith("3.1")
    assert sorted(found["paths"]) == [
        "/api/v1/vdns/",
        "/api/v1/vdns/{vdn_id}/call-data/",
        "/api/v1/vdns/{vdn_id}/call-data/{batch_id}/",
        "/api/v1/vdns/{vdn_id}/reservations/",
        "/api/v1/vdns/{vdn_id}/reservations/counts/",
        "/api/v1/vdns/{vdn_id}/reservations/{appoint_id}/history/",
        "/api/v1/vdns/{vdn_id}/reservations/{appoint_id}/reveal/",
        "/api/v1/vdns/{vdn_id}/result-codes/",
        "/api/v1/vdns/{vdn_id}/result-codes/history/",
        "/api/v1/vdns/{vdn_id}/result-codes/refresh/",
        "/api/v1/vdns/{vdn_id}/tasks/",
        "/api/v1/vdns/{vdn_id}/tasks/{service_id}/call-data/",
        "/api/v1/vdns/{vdn_id}/write-backs/",
        "/api/v1/vdns/{vdn_id}/write-backs/{id}/",
        "/api/v1/vdns/{vdn_id}/write-backs/{id}/cancel/",
        "/api/v1/vdns/{vdn_id}/write-backs/{id}/retry/",
    ]


def test_problem_statuses_are_documented(as_role: Any) -> None:
    found = schema(as_role("agent"))
    listed = found["paths"]["/api/v1/vdns/{vdn_id}/reservations/"]["get"]["responses"]
    problems = {"401", "403", "404", "406", "414", "422", "429", "502", "503", "504"}
    assert set(listed) == {"200", "304"} | problems
    del listed["304"]
    refresh = found["paths"]["/api/v1/vdns/{vdn_id}/result-codes/refresh/"]["post"]["responses"]
    assert {"403", "409"} <= set(refresh)
    for status, answer in listed.items():
        kind = "application/json" if status == "200" else "application/problem+json"
        assert list(answer["content"]) == [kind]


def test_answers_have_the_documented_fields(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    shapes = schema(client)["components"]["schemas"]
    body = client.get("/api/v1/vdns/88/reservations/").json()
    assert set(body) == set(shapes["ReservationPage"]["properties"])
    assert set(body["results"][0]) == set(shapes["ReservationBody"]["properties"])
    codes = client.get("/api/v1/vdns/88/result-codes/").json()
    assert set(codes) == set(shapes["ResultCodeList"]["properties"])
    assert set(codes["results"][0]) == set(shapes["ResultCodeBody"]["properties"])
    history = client.get("/api/v1/vdns/88/result-codes/history/").json()
    assert set(history) == set(shapes["CodeHistoryPage"]["properties"])
    assert set(history["results"][0]) == set(shapes["CodeHistoryEntry"]["properties"])
    assert set(history["results"][0]["changes"][0]) == set(shapes["CodeChangeBody"]["properties"])
    problem = client.get("/api/v1/vdns/88/reservations/?page=0").json()
    assert set(problem) <= set(shapes["ProblemDetails"]["properties"])


def test_docs_page_loads_only_files_of_this_server(as_role: Any) -> None:
    client = as_role("agent")
    text = client.get("/api/docs/").content.decode()
    sources = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', text)
    assert any("swagger-ui-bundle" in source for source in sources)
    for source in sources:
        assert source.startswith("/")
        if source.startswith("/static/"):
            assert finders.find(source.removeprefix("/static/").partition("?")[0]), source
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    (script,) = (source for source in sources if "script" in source.partition("?")[2])
    answer = client.get(script)
    assert answer.headers["Content-Type"].startswith("application/javascript")
    assert b"/api/schema/" in answer.content


def operations(found: Any) -> list[tuple[str, Any]]:
    listed = [
        (f"{method} {path}", operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]
    assert listed
    return listed


def test_every_operation_is_documented_completely(as_role: Any) -> None:
    for name, operation in operations(schema(as_role("agent"))):
        assert operation["summary"], name
        assert len(operation["description"]) > len("Token scope: `read`."), name
        assert len(operation["tags"]) == 1, name
        assert operation["tags"] != ["Other"], name
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])
        needed = next(each["token"] for each in operation["security"] if "token" in each)
        assert needed == (["read"] if name.startswith("get") else needed), name
        assert needed in (["read"], ["write"], ["admin"]), name
        assert {"session": []} in operation["security"], name
        assert {"401", "403", "406", "422", "429"} <= set(operation["responses"]), name
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
        assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_every_body_has_an_example_that_fits_its_schema(as_role: Any) -> None:
    found, checked = schema(as_role("agent")), set()
    for name, operation in operations(found):
        bodies = {"request": operation["requestBody"]} if "requestBody" in operation else {}
        for where, body in (bodies | operation["responses"]).items():
            for kind, content in body.get("content", {}).items():
                assert content.get("examples"), (name, where)
                shape = {**content["schema"], "components": found["components"]}
                for example in content["examples"].values():
                    validator = Draft202012Validator(shape)
                    errors = [error.message for error in validator.iter_errors(example["value"])]
                    assert errors == [], (name, where, kind)
                    checked.add(where)
    assert checked >= {"request", "200", "202", "422"}


def test_security_schemes_are_documented_with_their_scopes(as_role: Any) -> None:
    schemes = schema(as_role("agent"))["components"]["securitySchemes"]
    assert set(schemes) == {"session", "token"}
    assert (schemes["token"]["in"], schemes["token"]["name"]) == ("header", "Authorization")
    for scope in TokenScope:
        assert f"`{scope.value}`" in schemes["token"]["description"]
