"""Overdue reservations: list, panel and JSON agree, with the grace of the VDN."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from isales_proxy.models import Vdn
from isales_proxy.simulator import Simulator
from tests.support.pages import form_of, rows_of

PAGE = "/vdn/88/reservations/"
NOON = datetime(2025, 5, 15, 12, 0, tzinfo=UTC)
MANUAL, AUTOMATIC = "1", "2"
CHANGE = "/admin/isales_proxy/vdn/88/change/"


def add(vendor: Simulator, call_type: str) -> None:
    """Add one open reservation for noon (UTC) with a unique number."""
    ms = int(NOON.timestamp() * 1000)
    row = {"appointId": "1", "calledNo": "70001", "callType": call_type, "appointTime": ms}
    vendor.add_rows(88, [row | {"timeout": "false"}])


def get_states(client: Any) -> tuple[str, str, str]:
    """Return the state in list, panel and JSON."""
    (row,) = rows_of(client.get(PAGE, {"called_no": "70001"}).content.decode())
    panel = client.get(f"{PAGE}1/", {"called_no": "70001"}, headers={"HX-Request": "true"})
    text = panel.content.decode()
    state = text.partition('data-state="')[2].partition('"')[0]
    answer = client.get("/api/v1/vdns/88/reservations/", {"called_no": "70001"}).json()
    return row["state"], state, answer["results"][0]["state"]


@pytest.mark.parametrize(
    ("call_type", "seconds", "state"),
    [
        # An automatic one is dialled from five minutes before its time.
        (AUTOMATIC, -5 * 60 - 1, "soon"),
        (AUTOMATIC, -5 * 60, "dialling"),
        (AUTOMATIC, -1, "dialling"),
        (AUTOMATIC, 60, "dialling"),
        (AUTOMATIC, 61, "overdue"),
        (MANUAL, -1, "soon"),
        (MANUAL, 60, "soon"),
        (MANUAL, 61, "overdue"),
    ],
)
def test_overdue_begins_after_the_due_time_and_the_grace(
    vendor: Simulator, as_role: Any, call_type: str, seconds: int, state: str
) -> None:
    add(vendor, call_type)
    with time_machine.travel(NOON + timedelta(seconds=seconds), tick=False):
        assert get_states(as_role("supervisor")) == (state, state, state)


def test_time_left_counts_to_the_due_time(vendor: Simulator, as_role: Any) -> None:
    add(vendor, AUTOMATIC)
    for seconds, when, word in (
        (-14 * 60, "in 14 min", "Due soon"),
        (-4 * 60, "in 4 min", "Dialling now"),
        (18 * 60, "18 min late", "Overdue"),
    ):
        with time_machine.travel(NOON + timedelta(seconds=seconds), tick=False):
            text = as_role("supervisor").get(PAGE, {"called_no": "70001"}).content.decode()
        (row,) = rows_of(text)
        assert when in row["appointTime"]
        assert word in row["callFlag"]


def test_grace_comes_from_the_environment(vendor: Simulator, as_role: Any, settings: Any) -> None:
    add(vendor, MANUAL)
    settings.LATE_GRACE_SECONDS = 600
    with time_machine.travel(NOON + timedelta(minutes=9), tick=False):
        assert get_states(as_role("supervisor")) == ("soon",) * 3
    settings.LATE_GRACE_SECONDS = 0
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        assert get_states(as_role("supervisor")) == ("overdue",) * 3


def test_admin_sets_the_grace_of_a_vdn(vendor: Simulator, as_role: Any) -> None:
    add(vendor, AUTOMATIC)
    admin = as_role("admin")
    form = form_of(admin.get(CHANGE).content.decode())
    assert form["late_grace_seconds"] == ""
    refused = admin.post(CHANGE, form | {"late_grace_seconds": "3601"})
    assert admin.get(refused.headers["Location"]).status_code == 422
    assert admin.post(CHANGE, form | {"late_grace_seconds": "0"}).status_code == 302
    assert Vdn.objects.get(pk=88).late_grace_seconds == 0
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        assert get_states(as_role("supervisor")) == ("overdue",) * 3
    again = form_of(admin.get(CHANGE).content.decode())
    admin.post(CHANGE, again | {"late_grace_seconds": ""})
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        assert get_states(as_role("supervisor")) == ("dialling",) * 3
