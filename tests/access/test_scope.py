"""Scopes: an agent sees only their own reservations everywhere."""

from __future__ import annotations

from typing import Any

from django.test import Client

from isales_proxy.models import Access, Role, User
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.conftest import AGENT_ACCOUNT
from tests.support.cases import cases
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"
FRAGMENT = {"HX-Request": "true"}


@cases("query", ["", "?agent=121", "?agent=121&agent=116", "?agent=", "?page=2"])
def test_agent_sees_only_own_reservations(vendor: Simulator, as_role: Any, query: str) -> None:
    text = as_role("agent").get(LIST + query).content.decode()
    assert {row["userAccount"] for row in rows_of(text)} == {AGENT_ACCOUNT}
    for call in vendor.calls.filter(LIST_RESERVATIONS):
        assert call.body["userAccountList"] == [AGENT_ACCOUNT]


def test_agent_total_counts_own_reservations(vendor: Simulator, as_role: Any) -> None:
    own = as_role("agent").get(LIST).content.decode()
    everything = as_role("supervisor").get(LIST).content.decode()
    assert 'data-total-count="600"' in everything
    assert 'data-total-count="600"' not in own


def test_agent_gets_no_agent_filter(vendor: Simulator, as_role: Any) -> None:
    as_role("supervisor").get(LIST)
    text = as_role("agent").get(LIST).content.decode()
    assert 'name="agent"' not in text
    assert "121" not in {row["userAccount"] for row in rows_of(text)}


def test_agent_cannot_open_foreign_reservation(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(
        88,
        [
            {"appointId": "21", "calledNo": "7060", "userAccount": "121"},
            {"appointId": "22", "calledNo": "7060", "userAccount": AGENT_ACCOUNT},
        ],
    )
    as_role("supervisor").get(LIST, {"called_no": "7060"})
    agent = as_role("agent")
    for path in (f"{LIST}21/", f"{LIST}21/related/"):
        assert agent.get(path, headers=FRAGMENT).status_code == 404
        assert agent.get(path).status_code == 404
    assert agent.get(f"{LIST}22/", headers=FRAGMENT).status_code == 200
    related = agent.get(f"{LIST}22/related/", headers=FRAGMENT).content.decode()
    assert f"{LIST}21/" not in related


def test_foreign_rows_sent_by_the_vendor_are_withheld(vendor: Simulator, as_role: Any) -> None:
    """The vendor ignores `userAccountList`."""
    vendor.add_rows(88, [{"appointId": "31", "calledNo": "7070", "userAccount": AGENT_ACCOUNT}])
    vendor.faults.add(
        "patch",
        operation=LIST_RESERVATIONS,
        times=None,
        fields={
            "data": [
                {"appointId": "31", "calledNo": "7070", "userAccount": AGENT_ACCOUNT},
                {"appointId": "32", "calledNo": "7071", "userAccount": "121"},
                {"appointId": "33", "calledNo": "7072"},
            ],
            "totalCount": 3,
        },
    )
    text = as_role("agent").get(LIST).content.decode()
    assert [row["id"] for row in rows_of(text)] == ["31"]
    assert 'data-total-count="1"' in text
    assert "7071" not in text


def test_total_that_counts_foreign_rows_is_not_shown(vendor: Simulator, as_role: Any) -> None:
    own = [{"appointId": "31", "calledNo": "7070", "userAccount": AGENT_ACCOUNT}]
    others = [{"appointId": f"4{number}", "userAccount": "121"} for number in range(24)]
    vendor.faults.add(
        "patch",
        operation=LIST_RESERVATIONS,
        times=None,
        fields={"data": own + others, "totalCount": 987654},
    )
    agent = as_role("agent")
    text = agent.get(LIST).content.decode()
    assert 'data-total-count="1"' in text
    assert "987654" not in text
    assert agent.get("/api/v1/vdns/88/reservations/").json()["count"] == 1


def test_agent_learns_no_names_from_foreign_rows(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(
        88,
        [
            {
                "appointId": "81",
                "calledNo": "7",
                "userAccount": "121",
                "taskId": "9",
                "taskName": "Foreign renewals",
            }
        ],
    )
    assert "Foreign renewals" in as_role("supervisor").get(LIST, {"task": "9"}).content.decode()
    assert "Foreign renewals" not in as_role("agent").get(LIST, {"task": "9"}).content.decode()


def test_person_has_a_role_per_vdn(vendor: Simulator, people: Any) -> None:
    client = Client()
    client.force_login(people["both"])
    assert client.get("/vdn/88/reservations/").status_code == 200
    assert client.get("/vdn/89/reservations/").status_code == 200
    assert {call.vdn for call in vendor.calls.filter(LIST_RESERVATIONS)} == {"88", "89"}


def test_same_query_in_two_vdns_has_two_responses(vendor: Simulator, people: Any) -> None:
    client = Client()
    client.force_login(people["both"])
    first = rows_of(client.get("/vdn/88/reservations/").content.decode())
    second = rows_of(client.get("/vdn/89/reservations/").content.decode())
    assert {row["id"] for row in first}.isdisjoint(row["id"] for row in second)


def test_person_without_a_vdn_is_refused(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("newcomer"))
    answer = client.get("/")
    assert answer.status_code == 403
    assert "Traceback" not in answer.content.decode()


def test_disabled_vdn_is_404(vendor: Simulator, people: Any, as_role: Any) -> None:
    client = as_role("supervisor")
    vdn = Access.objects.get(user=people["supervisor"]).vdn
    vdn.enabled = False
    vdn.save()
    assert client.get(LIST).status_code == 404


@cases("role", [role.value for role in Role])
def test_only_admin_may_refresh_result_codes(vendor: Simulator, as_role: Any, role: str) -> None:
    answer = as_role(role).post("/vdn/88/result-codes/refresh/")
    assert answer.status_code == (303 if role == "admin" else 403)


def test_home_redirects_to_the_list(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("agent").get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == LIST
