"""Every address of the product refuses a stranger, and a foreign VDN does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/inactive/",
    "admin/login/",
    "favicon.ico",
    "healthz",
    "readyz",
    "metrics",
    "preferences/language/",
    "preferences/theme/",
}
EXAMPLES = {"vdn_id": "88", "appoint_id": "1747", "app_label": "isales_proxy", "object_id": "1"}


def routes(resolver: Any = None, before: str = "") -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


def filled(route: str) -> str:
    import re

    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: EXAMPLES.get(match[1], "1"), route)
    return "/" + re.sub(r"\(\?P.*?\)+|[\^$?\\]", "", path)


ROUTES = sorted({route for route in routes() if route not in PUBLIC})


def test_there_are_addresses_to_walk() -> None:
    assert len(ROUTES) > 15


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_refused(route: str, method: str) -> None:
    answer = getattr(Client(), method)(filled(route))
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith(("/accounts/login/", "/admin/"))
    elif "api/" in route or route == "metrics":
        assert answer.status_code in {401, 403, 404}
    else:
        assert answer.status_code in {403, 405}
    assert b"data-appoint-id" not in answer.content


VDN_ROUTES = [route for route in ROUTES if "vdn_id" in route]


@pytest.mark.parametrize("route", VDN_ROUTES)
@pytest.mark.parametrize("number", ["89", "9999", "0", "10000"])
@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor", "admin"])
def test_a_foreign_vdn_does_not_exist(as_role: Any, route: str, number: str, role: str) -> None:
    path = filled(route.replace("<int:vdn_id>", number))
    client = as_role(role)
    answer = client.get(path)
    if answer.status_code == 405:
        answer = client.post(path)
    assert answer.status_code == 404
