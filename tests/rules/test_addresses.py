"""Every address of the product refuses a stranger, and a foreign VDN does not exist."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.addresses import filled, routes
from tests.support.cases import cases

PUBLIC = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/inactive/",
    "accounts/single-sign-on/",
    "accounts/single-sign-on/callback/",
    "accounts/single-sign-on/cancelled/",
    "admin/login/",
    "favicon.ico",
    "healthz",
    "readyz",
    "metrics",
    "preferences/language/",
    "preferences/theme/",
}
ROUTES = sorted({route for route in routes() if route not in PUBLIC})


def test_more_than_fifteen_routes_are_examined() -> None:
    assert len(ROUTES) > 15


@pytest.mark.thorough
@pytest.mark.django_db
@cases("method", ["get", "post"])
def test_every_address_refuses_a_person_not_logged_in(method: str) -> None:
    let_in = {}
    for route in ROUTES:
        answer = getattr(Client(), method)(filled(route))
        if not refused(route, answer) or b"data-appoint-id" in answer.content:
            let_in[route] = answer.status_code
    assert let_in == {}


def refused(route: str, answer: Any) -> bool:
    if answer.status_code == 302:
        return str(answer.headers["Location"]).startswith(("/accounts/login/", "/admin/"))
    if "api/" in route or route == "metrics":
        return answer.status_code in {401, 403, 404}
    return answer.status_code in {403, 405}


VDN_ROUTES = [route for route in ROUTES if "vdn_id" in route]


@pytest.mark.thorough
def test_unknown_vdn_is_404_at_every_address(as_role: Any) -> None:
    """`test_permissions` asks for a foreign one, as every role."""
    client, found = as_role("admin"), {}
    for route in VDN_ROUTES:
        for number in ("9999", "0", "10000"):
            path = filled(route.replace("<int:vdn_id>", number))
            answer = client.get(path)
            if answer.status_code == 405:
                answer = client.post(path)
            if answer.status_code != 404:
                found[path] = answer.status_code
    assert found == {}
