"""Two agents whose accounts differ only in case see nothing of each other, even if the vendor
treats the accounts as equal."""

from __future__ import annotations

from typing import Any

import pytest

from isales_proxy.models import Access, User
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator

LIST = "/vdn/88/reservations/"
FRAGMENT = {"HX-Request": "true"}


ROWS = [
    {"appointId": "9001", "calledNo": "7060", "userAccount": "Ann", "userName": "Ann One"},
    {"appointId": "9002", "calledNo": "7060", "userAccount": "ann", "userName": "Ann Two"},
]


@pytest.mark.parametrize(
    ("account", "own", "other"), [("Ann", "9001", "9002"), ("ann", "9002", "9001")]
)
def test_agents_whose_accounts_differ_by_case_see_only_own_rows(
    people: dict[str, User],
    as_role: Any,
    vendor: Simulator,
    account: str,
    own: str,
    other: str,
) -> None:
    # A vendor that ignores case answers both.
    vendor.faults.add(
        "patch", operation=LIST_RESERVATIONS, times=None, fields={"data": ROWS, "totalCount": 2}
    )
    Access.objects.filter(user=people["agent"]).update(agent_account=account)
    as_role("supervisor").get(LIST)
    agent = as_role("agent")
    page = agent.get(LIST).content.decode()
    assert f'data-appoint-id="{own}"' in page
    assert f'data-appoint-id="{other}"' not in page
    rows = agent.get("/api/v1/vdns/88/reservations/").json()["results"]
    assert [row["appoint_id"] for row in rows] == [own]
    assert agent.get(f"{LIST}{own}/", headers=FRAGMENT).status_code == 200
    assert agent.get(f"{LIST}{other}/", headers=FRAGMENT).status_code == 404
