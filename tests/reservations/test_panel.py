"""The side panel: agreement, call, identifiers, write-backs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine

from isales_proxy.models import Vdn, WriteBack
from isales_proxy.simulator import Simulator

LIST = "/vdn/88/reservations/"
FRAGMENT = {"HX-Request": "true"}
NOON = 1_747_310_400_000  # 2025-05-15T12:00Z
HOUR = 3_600_000
AGREED = ["appointTime", "callType", "userName", "taskName", "taskStatus", "timeout", "createTime"]
CALL = ["beginTime", "endTime", "failCode", "result", "callerNo", "busiResult"]
IDENTIFIERS = ["appointId", "userAccount", "taskId", "callFlag"]


@pytest.fixture
def number(vendor: Simulator) -> str:
    """A number with an open reservation, and answered ones from before and after it was made."""
    common = {"calledNo": "70001", "callType": "1", "taskStatus": "2", "taskId": "1106025109"}
    answered = {"failCode": "00000", "userName": "Maria Silva"}
    rows = [
        {"appointId": "1", "appointTime": NOON, "createTime": NOON - 5 * HOUR},
        {"appointId": "2", "appointTime": NOON - HOUR, "beginTime": NOON - HOUR, **answered},
        {"appointId": "3", "appointTime": NOON - 9 * HOUR, "beginTime": NOON - 9 * HOUR}
        | {"failCode": "00000", "userName": "Too Early"},
        {"appointId": "4", "appointTime": NOON, "failCode": "00604"},
    ]
    vendor.add_rows(88, [common | row for row in rows])
    return "70001"


def panel(client: Any, appoint_id: str, part: str = "") -> str:
    address = f"{LIST}{appoint_id}/{part}"
    answer = client.get(address, {"called_no": "70001"}, headers=FRAGMENT)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_panel_groups_fields_by_agreement_call_and_identifiers(number: str, as_role: Any) -> None:
    text = panel(as_role("supervisor"), "1")
    fields = re.findall(r'<div[^>]* data-field="(\w+)"', text)
    assert fields == ["calledNo", *AGREED, *CALL, *IDENTIFIERS]
    folded = text[text.index('<details id="identifiers"') :]
    assert " open" not in folded.partition(">")[0]
    assert re.findall(r'data-field="(\w+)"', folded) == IDENTIFIERS


def test_panel_shows_labels_of_codes_and_raw_codes_below(number: str, as_role: Any) -> None:
    text = panel(as_role("supervisor"), "1")

    def value(attribute: str) -> str:
        part = text[text.index(f"<div {attribute}") :]
        return re.sub(r"<[^>]+>", " ", part[part.index("<dd>") : part.index("</dd>")]).strip()

    assert value('data-field="callType"') == "Manual"
    assert value('data-field="taskStatus"') == "Running"
    assert value('data-raw="callType"') == "1"
    assert value('data-raw="taskStatus"') == "2"


def test_panel_shows_that_the_customer_was_already_reached(number: str, as_role: Any) -> None:
    client = as_role("supervisor")
    with time_machine.travel("2025-05-15T12:05:00Z", tick=False):
        said = panel(client, "1", "related/")
        assert "Already reached 19:00 by Maria Silva." in said
        assert 'data-hx-target="#reached"' in said
        # An earlier call is no reason to leave out a later one; who was reached needs no note.
        assert "Too Early" not in said[: said.index("</hx-partial>")]
        assert "data-reached" not in panel(client, "2", "related/")


def test_panel_lists_write_backs_of_the_reservation(number: str, as_role: Any) -> None:
    supervisor = as_role("supervisor")
    assert "data-write-backs" not in panel(supervisor, "4")
    moment = "2025-05-15T12:00:00Z"
    WriteBack.objects.create(
        vdn=Vdn.objects.get(pk=88),
        unique_id="u-1",
        service_id="1106025109",
        fail_code="00604",
        body={},
        key="k-1",
        appoint_id="4",
        created_at=moment,
        created_by_name="supervisor",
        queued_at=moment,
        next_at=moment,
    )
    text = panel(supervisor, "4")
    listed = text[text.index("data-write-backs") :]
    assert "Waiting" in listed
    assert "The call is rejected." in listed
    assert re.search(r'href="/vdn/88/write-backs/\d+/"', listed)
    assert "data-write-backs" not in panel(supervisor, "1")
