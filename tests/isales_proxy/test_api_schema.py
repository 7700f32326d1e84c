"""The schema and its docs page, which need nothing from outside."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.staticfiles import finders
from openapi_spec_validator import validate

from isales_proxy.simulator import Simulator


def schema(client: Any) -> Any:
    answer = client.get("/api/schema/", {"format": "json"})
    assert answer.status_code == 200
    return answer.json()


def test_the_schema_is_valid_and_names_every_address(as_role: Any) -> None:
    found = schema(as_role("agent"))
    validate(found)
    assert found["openapi"].startswith("3.1")
    assert sorted(found["paths"]) == [
        "/api/v1/vdns/",
        "/api/v1/vdns/{vdn_id}/reservations/",
        "/api/v1/vdns/{vdn_id}/result-codes/",
        "/api/v1/vdns/{vdn_id}/result-codes/refresh/",
    ]


def test_the_problems_are_documented(as_role: Any) -> None:
    found = schema(as_role("agent"))
    listed = found["paths"]["/api/v1/vdns/{vdn_id}/reservations/"]["get"]["responses"]
    assert set(listed) == {"200", "401", "404", "422", "429", "502", "503", "504"}
    refresh = found["paths"]["/api/v1/vdns/{vdn_id}/result-codes/refresh/"]["post"]["responses"]
    assert {"403", "409"} <= set(refresh)
    for status, answer in listed.items():
        kind = "application/json" if status == "200" else "application/problem+json"
        assert list(answer["content"]) == [kind]


def test_an_answer_has_the_documented_shape(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    shapes = schema(client)["components"]["schemas"]
    body = client.get("/api/v1/vdns/88/reservations/").json()
    assert set(body) == set(shapes["ReservationPageFields"]["properties"])
    assert set(body["results"][0]) == set(shapes["ReservationFields"]["properties"])
    codes = client.get("/api/v1/vdns/88/result-codes/").json()
    assert set(codes) == set(shapes["ResultCodeListFields"]["properties"])
    assert set(codes["results"][0]) == set(shapes["ResultCodeFields"]["properties"])
    problem = client.get("/api/v1/vdns/88/reservations/?page=0").json()
    assert set(problem) <= set(shapes["ProblemFields"]["properties"])


def test_the_docs_are_ours_alone(as_role: Any) -> None:
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
