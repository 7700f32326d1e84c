"""Lists as they were at a past time: names, states, panels, and the way back to now."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from isales_proxy.models import User
from isales_proxy.simulator import Simulator
from tests.support.mirror import make_row, mirror_rows, to_ms
from tests.support.mirror_lists import NOON
from tests.support.pages import results_of, rows_of

LIST = "/vdn/88/reservations/"
FIRST = f"{LIST}{1:030d}/"
NINE = NOON - timedelta(hours=3)
THEN = NINE.strftime("%Y-%m-%dT%H:%M:%SZ")
WEI = {"userAccount": "116", "userName": "Wei", "appointTime": to_ms(NINE + timedelta(hours=1))}
LI = {"userAccount": "117", "userName": "Li", "failCode": "00604", "beginTime": to_ms(NOON)}


@pytest.fixture
def past_rows(vendor: Simulator, people: dict[str, User]) -> Iterator[None]:
    """Reservation 1: open and Wei's at nine, failed and Li's at noon, when its task has changed."""
    mirror_rows(88, [make_row(1, **WEI), make_row(2, **WEI)], at=NINE - timedelta(minutes=1))
    task = {"taskName": "Surveys", "taskStatus": "3"}
    rows = [make_row(1, **WEI | LI, **task), make_row(2, **WEI, **task)]
    mirror_rows(88, rows, at=NOON)
    with time_machine.travel(NOON, tick=False):
        yield


def fetch(
    client: Client, address: str = LIST, expected_status: int = 200, **parameters: Any
) -> str:
    answer = client.get(address, parameters, headers={"HX-Request": "true"})
    assert answer.status_code == expected_status, answer.content
    return html.unescape(answer.content.decode())


def count(client: Client, **parameters: Any) -> int:
    return len(rows_of(fetch(client, tab="all", **parameters)))


def test_names_and_task_status_are_searched_as_they_were(past_rows: None, as_role: Any) -> None:
    client = as_role("supervisor")
    asked = {"q": "renewals", "status": "2"}
    for name, value in asked.items():
        assert count(client, as_of=THEN, **{name: value}) == 2
        assert count(client, **{name: value}) == 0
    assert count(client, as_of=THEN, q="surveys") == count(client, as_of=THEN, q="li") == 0
    assert count(client, as_of=THEN, status="3") == 0
    assert count(client, q="surveys") == 2
    assert count(client, q="li") == 1


def test_past_list_says_that_its_completeness_is_not_known(past_rows: None, as_role: Any) -> None:
    text = fetch(as_role("supervisor"), as_of=THEN)
    assert 'data-complete="false"' in results_of(text)
    assert "As it was known at" in text
    assert "How complete it was then is not recorded." in text
    assert "is-partial" not in text


def test_row_of_a_past_list_opens_as_it_was_then(past_rows: None, as_role: Any) -> None:
    client = as_role("supervisor")
    shown = fetch(client, as_of=THEN, tab="all", sort="-agent", q="wei", size=50, task="11")
    url = next(row["url"] for row in rows_of(shown) if row["id"].endswith("1"))
    assert "as_of=" in url
    assert "task=" not in url
    panel = fetch(client, url)
    assert "As it was known at" in panel
    assert 'data-state="later"' in panel
    assert "Wei" in panel
    assert "00604" not in panel
    # What happened since is not told.
    assert re.findall(r'data-change="([\w-]+)"', panel) == ["appeared"]
    now = re.search(r'href="([^"]*)" data-now', panel)
    assert now
    assert "as_of" not in now[1]
    present = fetch(client, now[1])
    assert 'data-state="failed"' in present
    assert "data-past" not in present


def test_agent_opens_a_row_of_the_past_that_was_theirs_and_not_its_present(
    past_rows: None, as_role: Any
) -> None:
    agent = as_role("agent")
    panel = fetch(agent, FIRST, as_of=THEN)
    assert "Wei" in panel
    assert not re.search(r"\bLi\b|117|00604", panel)
    fetch(agent, FIRST, expected_status=404)
    # A number is revealed to whom the reservation is now.
    assert "data-reveal" not in panel
    asked = {"reason": "Calling the customer back"}
    assert agent.post(f"{FIRST}reveal/?as_of={THEN}", asked).status_code == 404
    later = (NOON + timedelta(seconds=-1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fetch(agent, FIRST, as_of=later)


def test_time_of_the_list_and_jump_are_removable_filters(past_rows: None, as_role: Any) -> None:
    client = as_role("supervisor")
    text = fetch(client, tab="all", as_of=THEN, jump=THEN, type="1")
    removals = dict(re.findall(r'href="([^"]*)" data-filter="(\w+)"', text))
    urls = {name: url for url, name in removals.items()}
    assert {"as_of", "jump", "type"} <= set(urls)
    assert "as_of" not in urls["as_of"]
    assert "jump" not in urls["jump"]
    assert "as_of" in urls["jump"]
    assert {"type=1", "jump="} <= set(re.findall(r"type=1|jump=", urls["as_of"]))
    cleared = re.search(r'id="clear"[^>]* href="([^"]*)"', text)
    assert cleared
    assert cleared[1] == f"{LIST}?tab=all"
