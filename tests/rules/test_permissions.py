"""Every address × role × foreign VDN answers as the tables in docs/permissions.md say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from isales_proxy.access import ROLE_PERMISSIONS, Permission, PermissionMissing, enter
from isales_proxy.access.permissions import get_permissions
from isales_proxy.api.reservations import Reservations
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core.settings import PrivacySettings
from isales_proxy.exports import services as exports
from isales_proxy.models import (
    Access,
    BatchState,
    CallDataBatch,
    CallDatum,
    CodeRefresh,
    ExportJob,
    Role,
    TokenScope,
    User,
    WriteBack,
)
from isales_proxy.reservations import services as reservations
from isales_proxy.simulator import Simulator
from tests.support.addresses import filled, routes
from tests.support.call_data import TASK
from tests.support.cases import cases
from tests.support.outbox import outbox_of
from tests.support.tokens import token_of

TABLES = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
ROLES = tuple(role.value for role in Role)
# Everybody's, or held by tests of their own: Django's admin, what answers machines, second factors.
ELSEWHERE = re.compile(
    r"admin/|favicon|healthz|readyz|metrics|\^api/|accounts/(login|logout|inactive)/"
    r"|preferences/(language|theme)/|accounts/(second-factor|single-sign-on)/"
)


@dataclass(frozen=True)
class Line:
    """One line of a table: what it says for a stranger, each role, and in a foreign VDN."""

    method: str
    address: str
    stranger: str
    roles: dict[str, str]
    foreign: str

    def __str__(self) -> str:
        return f"{self.method} {self.address}"

    def says(self) -> dict[str, str]:
        """Return the documented answer for each role, in a foreign VDN too."""
        abroad = {} if self.foreign == "–" else {f"foreign {role}": self.foreign for role in ROLES}
        return {"stranger": self.stranger} | abroad | self.roles


def read_table() -> Iterator[Line]:
    for text in TABLES.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if len(cells) == len(ROLES) + 4 and cells[0] in {"GET", "POST", "DELETE"}:
            method, address, stranger, *roles, foreign = cells
            yield Line(
                method, address.strip("`"), stranger, dict(zip(ROLES, roles, strict=True)), foreign
            )


LINES = tuple(read_table())


@pytest.fixture
def known(vendor: Simulator, people: dict[str, User], as_role: Any) -> dict[str, str]:
    """Return what the addresses name: each exists, and the reservation is the agent's own."""
    row = as_role("agent").get("/api/v1/vdns/88/reservations/").json()["results"][0]
    batch = CallDataBatch.objects.create(
        vdn_id=88,
        service_id=TASK,
        key="k-1",
        batch_count=5,
        asked_at=timezone.now(),
        asked_by_name="supervisor",
        state=BatchState.UNREADABLE,
        raw=b"{}",
    )
    datum = CallDatum.objects.create(batch=batch, position=1, phone_numbers="15800000001", raw={})
    outbox_of(people).write("u-1")
    return {
        "appoint_id": row["appoint_id"],
        "service_id": TASK,
        "batch_id": str(batch.pk),
        "datum_id": str(datum.pk),
        "pk": str(WriteBack.objects.get().pk),
        "code": "00604",
        # The table was read when the first row was shown.
        "refresh": str(CodeRefresh.objects.get(vdn_id=88).pk),
        "export_id": str(export_of(people["supervisor"]).pk),
        "token_key": token_of(people["agent"], TokenScope.READ)[0].token_key,
    }


def export_of(user: User) -> ExportJob:
    """Return a queued export of this person in VDN 88."""
    return exports.request_export(
        scope=enter(user=user, vdn_id=88), source="reservations", kind="csv", question={}, total=1
    )


# Addresses without anything behind them: enough where nothing is reached.
EXAMPLES = dict.fromkeys(
    ("service_id", "batch_id", "datum_id", "pk", "code", "refresh", "appoint_id", "export_id"), "1"
)


def send_request(client: Client, line: Line, known: dict[str, str], vdn: str = "88") -> Any:
    path = re.sub(r"<(\w+)>", lambda found: known[found[1]], line.address)
    path = path.replace("/88/", f"/{vdn}/")
    if line.method == "POST" and "/api/" in path:
        return client.post(path, data={}, content_type="application/json")
    return getattr(client, line.method.lower())(path)


def verdict(answer: Any) -> str:
    """Return what the answer says of the right, whatever it says of the question."""
    # A download holds a file until it is closed.
    answer.close()
    location = answer.headers.get("Location", "")
    if location.startswith("/accounts/login/"):
        return "log-in"
    if answer.status_code in {401, 403, 404}:
        return str(answer.status_code)
    assert answer.status_code < 500, answer.status_code
    assert answer.status_code != 405
    return "yes"


@pytest.mark.thorough
@cases("method", ["GET", "POST", "DELETE"])
def test_every_address_answers_each_role_as_documented(
    method: str, known: dict[str, str], as_role: Any
) -> None:
    wrong = {}
    clients = {role: as_role(role) for role in ROLES}
    for line in LINES:
        if line.method == method:
            given = answers(line, known, clients)
            if given != line.says():
                wrong[str(line)] = given
    assert wrong == {}


def answers(line: Line, known: dict[str, str], clients: dict[str, Client]) -> dict[str, str]:
    """Return what `line` says, as the product has it."""
    given = {"stranger": verdict(send_request(Client(), line, known))}
    if line.foreign != "–":
        for role in ROLES:
            given[f"foreign {role}"] = verdict(send_request(clients[role], line, known, vdn="89"))
    return given | {role: verdict(send_request(clients[role], line, known)) for role in ROLES}


TOLD = {(line.method, resolve(re.sub(r"<\w+>", "1", line.address)).route) for line in LINES}
WALKED = sorted({route for route in routes() if not ELSEWHERE.match(route)})
# allauth takes PUT for POST on its own pages.
OURS = [route for route in WALKED if not route.startswith("accounts/")]


def test_every_address_is_in_a_table() -> None:
    assert set(WALKED) == {route for _method, route in TOLD}


def needed(line: Line) -> frozenset[Permission] | None:
    """Return what the view declares for this address and method; None for one that is of no VDN."""
    match = resolve(re.sub(r"<\w+>", "1", line.address))
    view: Any = getattr(match.func, "cls", None)
    if view is not None:
        declared = getattr(getattr(view, line.method.lower(), None), "permission", None)
        return None if "vdn_id" not in match.kwargs else frozenset({declared})
    declared_by_page: dict[str, frozenset[Permission]] | None
    declared_by_page = getattr(match.func, "permissions", None)
    return declared_by_page[line.method] if declared_by_page else None


def test_documented_answers_follow_from_the_permissions_of_the_roles() -> None:
    """For the default of NUMBERS_VISIBLE_TO, as the document says."""
    wrong, of_vdns = {}, 0
    for line in LINES:
        permissions = needed(line)
        assert (permissions is None) == (line.foreign == "–"), f"{line} declares no permission"
        if permissions is not None:
            of_vdns += 1
            right = {
                role: "yes"
                if permissions <= get_permissions(role, PrivacySettings().numbers_visible_to)
                else "403"
                for role in ROLES
            }
            if right != line.roles:
                wrong[str(line)] = right
    assert wrong == {}
    assert of_vdns > 50


def test_document_lists_the_permissions_of_each_role() -> None:
    listed = {}
    for text in TABLES.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if len(cells) == len(ROLES) + 2 and cells[0].startswith("`"):
            listed[cells[0].strip("`")] = tuple(cell == "yes" for cell in cells[1:-1])
    assert listed == {
        permission.value: tuple(permission in ROLE_PERMISSIONS[role] for role in ROLES)
        for permission in Permission
    }


def test_unknown_role_opens_no_address(
    vendor: Simulator, people: dict[str, User], as_role: Any
) -> None:
    """A role that nobody has thought of yet, with every setting in its favour."""
    Access.objects.filter(user=people["supervisor"]).update(role="visitor")
    client, answered = as_role("supervisor"), {}
    for line in LINES:
        if line.foreign != "–":
            status = send_request(client, line, EXAMPLES).status_code
            if status != 404:
                answered[str(line)] = status
    assert answered == {}
    assert client.get("/").status_code == 403
    assert client.get("/api/v1/vdns/").json()["results"] == []


@pytest.mark.parametrize("role", ["visitor", "", "Admin"])
def test_scope_of_an_unknown_role_has_no_permission(
    people: dict[str, User], settings: Any, role: str
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset({role}))
    scope = replace(enter(user=people["admin"], vdn_id=88), role=cast("Role", role))
    assert [permission for permission in Permission if scope.can(permission)] == []
    with pytest.raises(PermissionMissing):
        reservations.list_page(scope=scope, query=ReservationQuery())


def test_api_view_without_declared_permissions_is_refused(
    people: dict[str, User], as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Reservations.get, "permission")
    assert as_role("admin").get("/api/v1/vdns/88/reservations/").status_code == 403


@pytest.mark.thorough
def test_undocumented_method_is_refused(vendor: Simulator, as_role: Any) -> None:
    admin, answered = as_role("admin"), {}
    for route in OURS:
        told = {method for method, each in TOLD if each == route}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - told:
            status = getattr(admin, method.lower())(filled(route)).status_code
            if status not in {403, 405}:
                answered[f"{method} {route}"] = status
    assert answered == {}
