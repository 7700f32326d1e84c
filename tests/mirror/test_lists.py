"""Lists of the mirror: counts, states, order, pages, past times, and the cost of many viewers."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from isales_proxy.access import Scope
from isales_proxy.mirror.forgetting import forget_number
from isales_proxy.models import MirrorBusinessResult, MirrorLeaf, MirrorState, Role
from isales_proxy.reservations import mirror, mirror_reader
from isales_proxy.reservations.query import Tab
from isales_proxy.reservations.status import ReservationState, get_status
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support import furnished
from tests.support.clock import variables
from tests.support.mirror import mirror_rows
from tests.support.mirror_lists import NOON, create_scope, list_all, list_page, make_rows
from tests.support.pages import results_of, rows_of
from tests.support.workers import ROOT, embedded

LIST = "/vdn/88/reservations/"
TABS = {
    ReservationState.OVERDUE: {Tab.OPEN, Tab.OVERDUE},
    ReservationState.DIALLING: {Tab.OPEN, Tab.DIALLING},
    ReservationState.SOON: {Tab.OPEN, Tab.SOON},
    ReservationState.LATER: {Tab.OPEN},
    ReservationState.UNDATED: {Tab.OPEN},
    ReservationState.CALLED: set(),
    ReservationState.ANSWERED: {Tab.DONE},
    ReservationState.FAILED: {Tab.FAILED},
    ReservationState.GONE: {Tab.GONE},
}
TAB_LINK = re.compile(
    r'href="([^"]*)"[^>]*data-tab="(\w+)" data-count="(\d+)"[^>]*>([^<]+)<[^>]+>(\d+)<'
)


@pytest.fixture
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def fetch(client: Client, address: str = LIST, **parameters: Any) -> str:
    answer = client.get(address, parameters, headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def find_tabs(text: str) -> dict[str, tuple[int, str]]:
    """Return tab → count and address."""
    found = {}
    for url, tab, count, _label, shown in TAB_LINK.findall(text):
        assert count == shown
        found[tab] = int(count), url.replace("&amp;", "&")
    return found


@pytest.mark.parametrize("seed", [11, 12])
def test_every_row_is_in_the_tabs_of_its_state(now: Any, db: None, seed: int) -> None:
    """The bounds in SQL are those of `get_status`; the states add up to All."""
    rows = make_rows(seed, 300)
    mirror_rows(88, rows, at=NOON - timedelta(seconds=40))
    mirror_rows(88, rows[:-15], at=NOON - timedelta(seconds=20))
    scope = create_scope(Role.SUPERVISOR)
    listed = {tab: list_all(scope, tab=tab) for tab in Tab}
    ids = {tab: {row.appoint_id for row in rows} for tab, rows in listed.items()}
    grace = scope.vdn.late_grace
    states = [get_status(row, NOON, late_grace=grace).state for row in listed[Tab.ALL]]
    for row, state in zip(listed[Tab.ALL], states, strict=True):
        tabs = {
            tab for tab in Tab if tab not in {Tab.ALL, Tab.TODAY} and row.appoint_id in ids[tab]
        }
        assert tabs == TABS[state], (row.appoint_time, row.call_type, state)
    assert set(states) == set(ReservationState)
    facts = list_page(scope, NOON).mirror
    assert facts is not None
    assert facts.counts.all == len(listed[Tab.ALL]) == 300
    assert facts.counts.later == states.count(ReservationState.LATER)


def test_count_of_a_tab_is_the_number_of_rows_that_it_opens(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    """By the links of the page, for random filters and two roles."""
    mirror_rows(88, make_rows(21, 90), at=NOON)
    asked = [{}, {"type": "2"}, {"q": "an"}, {"code": "00604"}, {"task": "2", "status": "3"}]
    for role in ("supervisor", "agent"):
        client, filters = as_role(role), random.Random(role).choice(asked)
        tabs = find_tabs(fetch(client, **filters))
        assert "all" in tabs
        for tab, (count, url) in tabs.items():
            text = fetch(client, f"{url}&size=100")
            assert text.count("data-appoint-id") == count == find_tabs(text)[tab][0], (role, tab)


def test_supervisor_sees_open_rows_most_urgent_first_and_agent_their_own(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(22, 60), at=NOON)
    text = fetch(as_role("supervisor"), size=100)
    assert 'data-tab="open" data-count=' in text
    assert re.search(r'data-tab="open"[^>]* aria-current="true"', text)
    assert 'data-source="mirror" data-complete="true" data-revision="2"' in results_of(text)
    assert "complete" in text
    assert "live" in text[text.index("data-other-source") :]
    states = [row["state"] for row in rows_of(text)]
    assert states[0] == "overdue"
    assert set(states) <= {"overdue", "dialling", "soon", "later", "undated"}
    own = rows_of(fetch(as_role("agent"), size=100))
    assert own
    assert {row["userAccount"] for row in own if "userAccount" in row} == {"116"}


def test_live_list_has_no_tabs_and_links_to_the_complete_list(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(23, 10), at=NOON)
    text = fetch(as_role("supervisor"), source="live")
    assert "data-tab=" not in text
    assert 'data-source="live"' in results_of(text)
    assert "complete list" in text[text.index("data-other-source") :]
    refused = as_role("supervisor").get(LIST, {"source": "live", "tab": "open"})
    assert refused.status_code == 422


def test_list_is_live_during_the_first_round_and_shows_its_progress(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(24, 10), at=NOON)
    MirrorState.objects.update(round_ended_at=None, rows_read=4300, rows_expected=10800)
    client = as_role("supervisor")
    assert 'data-source="live"' in results_of(text := fetch(client))
    assert "4,300 of 10,800 rows" in text
    partial = fetch(client, source="mirror")
    assert 'data-complete="false"' in results_of(partial)
    assert "4,300 of 10,800 rows" in partial


def test_old_mirror_replaces_the_live_list_while_the_vendor_is_unavailable(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(25, 40), at=NOON - timedelta(hours=2))
    client = as_role("supervisor")
    assert 'data-source="live"' in results_of(fetch(client))
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    shown = fetch(client, tab="", agent="117")
    assert 'data-source="mirror"' in results_of(shown)
    assert 'data-complete="false"' in results_of(shown)
    assert "has not been read for too long" in shown
    pinned = client.get(LIST, {"source": "live", "agent": "117"})
    assert (pinned.status_code, pinned.headers["Retry-After"] > "") == (503, True)


def test_list_as_of_a_past_time_is_what_was_shown_then(vendor: Simulator, as_role: Any) -> None:
    """Names, order, states and counts are those of that time."""
    rows = make_rows(25, 60)
    nine = NOON - timedelta(hours=3)
    with time_machine.travel(nine, tick=False):
        client = as_role("supervisor")
        mirror_rows(88, rows, at=nine - timedelta(minutes=1))
        shown = {key: fetch(client, sort=key, tab="all", size=100) for key in ("due", "agent")}
    with time_machine.travel(NOON, tick=False):
        client = as_role("supervisor")
        changed = [row | {"userName": "Renamed", "failCode": "00604"} for row in rows[:40]]
        mirror_rows(88, changed, at=NOON)
        local = nine.strftime("%Y-%m-%dT%H:%M:%SZ")
        for key, before in shown.items():
            past = fetch(client, sort=key, tab="all", size=100, as_of=local)
            assert rows_without_urls(past) == rows_without_urls(before)
            assert {tab: count for tab, (count, _) in find_tabs(past).items()} == {
                tab: count for tab, (count, _) in find_tabs(before).items()
            }
        assert "Renamed" in fetch(client, tab="all", size=100)
        for unknown in ("2030-01-01T00:00", "2026-03-10T00:00"):
            assert client.get(LIST, {"as_of": unknown}).status_code == 422


def rows_without_urls(text: str) -> list[dict[str, str]]:
    return [{name: row[name] for name in row if name != "url"} for row in rows_of(text)]


def test_pages_beyond_the_deepest_offset_repeat_and_miss_nothing(
    now: Any, vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the links of the pager, while rows are inserted; then back again."""
    for module in (mirror, mirror_reader):
        monkeypatch.setattr(module, "DEEPEST_OFFSET", 20)
    monkeypatch.setattr("dashboard.reservations.list_context.DEEPEST_OFFSET", 20)
    rows = make_rows(26, 80)
    mirror_rows(88, rows, at=NOON)
    client, more = as_role("supervisor"), make_rows(27, 30)
    for sort in ("due", "-due"):
        url, seen, pages = f"{LIST}?tab=all&size=10&sort={sort}", [], 0
        while url:
            text = fetch(client, url)
            seen += [row["id"] for row in rows_of(text)]
            pages += 1
            if pages == 4:
                mirror_rows(88, rows + more, at=NOON + timedelta(seconds=pages))
            url = find_link(text, "next")
        assert len(seen) == len(set(seen))
        assert set(seen) >= {row["appointId"] for row in rows}
        back = [row["id"] for row in rows_of(fetch(client, find_link(text, "prev")))]
        last = len(rows_of(text))
        assert back == seen[-last - 10 : -last]


def find_link(text: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]*)"', text)
    return found[1].replace("&amp;", "&") if found else ""


def test_two_hundred_viewers_cost_no_vendor_call_and_one_count(
    now: Any, db: None, settings: Any
) -> None:
    mirror_rows(88, make_rows(28, 60), at=NOON)
    scope = create_scope(Role.SUPERVISOR)
    with CaptureQueriesContext(connection) as queries:
        for _viewer in range(200):
            list_page(scope, NOON)
    counting = [each for each in queries if "COUNT(" in each["sql"] and "mirrorrow" in each["sql"]]
    assert len(counting) == 1


def test_unchanged_mirror_is_answered_by_304_without_reading_a_row(
    now: Any, vendor: Simulator, as_role: Any, django_assert_max_num_queries: Any
) -> None:
    mirror_rows(88, make_rows(29, 60), at=NOON)
    client = as_role("supervisor")
    # The code table is read on first need.
    fetch(client)
    shown = client.get(LIST, headers={"HX-Request": "true"})
    with django_assert_max_num_queries(5):
        fetch(client)
    asked = {"HX-Request": "true", "If-None-Match": shown.headers["ETag"]}
    with CaptureQueriesContext(connection) as queries:
        assert client.get(LIST, headers=asked).status_code == 304
    assert not [each for each in queries if "mirrorrow" in each["sql"]]
    mirror_rows(88, make_rows(29, 61), at=NOON + timedelta(seconds=1))
    assert client.get(LIST, headers=asked).status_code == 200


def test_long_list_can_be_sorted_by_its_due_time_only(
    now: Any, vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror_rows(88, make_rows(30, 40), at=NOON)
    client = as_role("supervisor")
    text = fetch(client, tab="all", sort="-agent")
    assert text.count('aria-sort="none"') == 8
    assert 'class="c-agent" aria-sort="descending"' in text
    monkeypatch.setattr(mirror_reader, "MAX_SORTED_ROWS", 10)
    text = fetch(client, tab="all", sort="-agent")
    assert 'class="c-due" aria-sort="descending"' in text
    assert 'aria-sort="none"' not in text
    assert "can be sorted by their due time only" in text


def test_today_has_every_hour_of_a_day_with_twenty_five_hours(db: None) -> None:
    """Berlin puts its clocks back on 25 October 2026."""
    noon = datetime(2026, 10, 25, 11, tzinfo=UTC)
    scope = create_scope(Role.SUPERVISOR)
    scope.vdn.time_zone = "Europe/Berlin"
    begin = datetime(2026, 10, 24, 20, tzinfo=UTC)
    times = [begin + n * timedelta(minutes=30) for n in range(60)]
    rows = [{"appointId": f"{at}", "appointTime": round(at.timestamp() * 1000)} for at in times]
    mirror_rows(88, rows, at=noon)
    page = list_page(scope, noon, tab=Tab.TODAY)
    assert page.total == len(page.rows) == 50
    first, last = page.rows[0].appoint_time, page.rows[-1].appoint_time
    assert first == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert last == datetime(2026, 10, 25, 22, 30, tzinfo=UTC)


def test_masked_readers_learn_no_number_from_order_or_filter(now: Any, db: None) -> None:
    mirror_rows(88, make_rows(31, 30), at=NOON)
    scope = create_scope(Role.AUDITOR)
    page = list_page(scope, NOON, tab=Tab.ALL, sort="number")
    assert page.mirror is not None
    assert page.mirror.refused_sort == "number"
    assert not page.mirror.sortable & {"number", "business"}
    assert all("•" in (row.called_no or "") or "*" in (row.called_no or "") for row in page.rows)
    assert list_page(scope, NOON, tab=Tab.ALL, called_no="1380").total == 0


def test_part_of_a_number_is_its_beginning_or_its_end(
    now: Any, vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ["+8613800138000", "8613800138001", "1380", "0138", "99138099", "138099", "13", None]
    rows = [
        row | {"calledNo": number}
        for row, number in zip(make_rows(37, len(numbers)), numbers, strict=True)
    ]
    mirror_rows(88, rows, at=NOON)
    scope = create_scope(Role.SUPERVISOR)

    def find(part: str, **question: Any) -> set[str | None]:
        page = list_page(scope, NOON, tab=Tab.ALL, called_no=part, **question)
        assert page.total == len(page.rows)
        return {row.called_no for row in page.rows}

    for past in ({}, {"as_of": NOON + timedelta(seconds=1)}):
        assert find("138", **past) == {"1380", "0138", "138099"}
        assert find("8613", **past) == {"+8613800138000", "8613800138001"}
        assert find("13800138000", **past) == ({"+8613800138000"} if not past else set())
        assert find("138099", **past) == {"99138099", "138099"}
        assert find("13800", **past) == set()
    client, url = as_role("supervisor"), f"{LIST}?called_no=138"
    assert 'data-source="mirror"' in fetch(client, url)
    monkeypatch.setattr("isales_proxy.reservations.row_filters.MOST_NUMBERS", 2)
    # Too many rows: only CC-iSales answers, not the complete list.
    live = fetch(client, url)
    assert 'data-source="live"' in live
    assert "begin or end with these digits" in live
    other = re.search(r'href="([^"]*)"[^>]* data-other-source>Open the complete list', live)
    assert other
    assert 'data-source="mirror"' in fetch(client, other[1])
    refused = client.get(f"{url}&tab=open")
    assert refused.status_code == 422
    assert "begin or end with these digits" in refused.content.decode()
    assert client.get("/api/v1/vdns/88/reservations/?called_no=138&tab=open").status_code == 422
    # Nor does an old mirror, which would lack some rows, while CC-iSales is away.
    now.move_to(NOON + timedelta(hours=2))
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    assert 'data-source="mirror"' in fetch(client, f"{LIST}?called_no=99138099")
    assert client.get(url).status_code == 503


def test_text_finds_business_results_in_the_rows_of_the_scope(now: Any, db: None) -> None:
    texts = ("Call 13800138000 back", "call again", "Sold", None, "CALL")
    rows = [
        row | {"busiResult": text, "userAccount": "116" if place % 2 else "117"}
        for place, (row, text) in enumerate(zip(make_rows(38, 5), texts, strict=True))
    ]
    mirror_rows(88, rows, at=NOON)

    def find(scope: Scope, text: str, **question: Any) -> int:
        page = list_page(scope, NOON, text=text, tab=Tab.ALL, **question)
        assert page.total == len(page.rows)
        return page.total

    supervisor, agent = create_scope(Role.SUPERVISOR), create_scope(Role.AGENT, "116")
    masked = create_scope(Role.AUDITOR)
    assert [find(each, "call") for each in (supervisor, agent, masked)] == [3, 1, 3]
    assert [find(each, "138001") for each in (supervisor, agent, masked)] == [1, 0, 0]
    assert find(masked, texts[0] or "") == 0
    assert find(supervisor, "call", as_of=NOON + timedelta(seconds=1)) == 3
    # Unused ones are not kept.
    rows[1] |= {"busiResult": "Sold"}
    mirror_rows(88, rows, at=NOON + timedelta(seconds=5))
    assert find(supervisor, "call") == 2
    assert find(supervisor, "call", as_of=NOON + timedelta(seconds=1)) == 3
    forget_number(vdn_id=88, digits=rows[1]["calledNo"], now=NOON)
    results = MirrorBusinessResult.objects.values_list("text", flat=True)
    assert set(results) == {"Call 13800138000 back", "Sold", "CALL"}


def test_row_removed_while_a_page_is_read_is_in_neither_count_nor_rows(now: Any, db: None) -> None:
    rows = [row | {"beginTime": None, "failCode": None} for row in make_rows(40, 6)]
    rows = [row | {"appointTime": None} if place > 3 else row for place, row in enumerate(rows)]
    mirror_rows(88, rows, at=NOON)
    written = []

    def write_before_undated(execute: Any, sql: str, *others: Any) -> Any:
        # Rows without a time are read last, by a separate statement.
        if "IS NULL" in sql and "LIMIT" in sql and "COUNT(" not in sql and not written:
            written.append(sql)
            mirror_rows(88, rows[:4], at=NOON + timedelta(seconds=5))
        return execute(sql, *others)

    with connection.execute_wrapper(write_before_undated):
        page = list_page(create_scope(Role.SUPERVISOR), NOON, tab=Tab.OPEN)
    assert written
    assert page.total == len(page.rows) == 4


def test_file_of_the_mirror_has_the_rows_of_the_screen(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(32, 60), at=NOON)
    client = as_role("supervisor")
    query = {"tab": "open", "sort": "-number"}
    shown = [row["calledNo"] for row in rows_of(fetch(client, size=100, **query))]
    answer = client.get(f"{LIST}export.csv", query)
    lines = b"".join(answer.streaming_content).decode().splitlines()[1:]
    assert [line.split('","')[1] for line in lines] == shown


def test_gone_row_opens_for_a_supervisor_and_for_its_own_agent_only(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    rows = make_rows(33, 40)
    mirror_rows(88, rows, at=NOON - timedelta(seconds=30))
    mirror_rows(88, rows[5:], at=NOON)
    own = next(row for row in rows[:5] if row["userAccount"])
    panel = f"{LIST}{own['appointId']}/"
    assert as_role("supervisor").get(panel, headers={"HX-Request": "true"}).status_code == 200
    foreign = as_role("agent").get(panel, headers={"HX-Request": "true"})
    assert foreign.status_code == (200 if own["userAccount"] == "116" else 404)


def test_changes_since_the_last_look_are_marked_until_seen(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    rows = make_rows(34, 20)
    mirror_rows(88, rows, at=NOON - timedelta(seconds=9))
    client = as_role("supervisor")
    assert "data-changed" not in client.get(LIST).content.decode()
    mirror_rows(88, [*rows, make_rows(35, 1)[0]], at=NOON)
    text = fetch(client, tab="all")
    assert "1 row is new or changed since you last looked" in text
    assert text.count("data-mark=") == 1
    revision = re.search(r'name="revision" value="(\d+)"', text)
    assert revision
    seen = client.post(f"{LIST}seen/", {"revision": revision[1], "query": "tab=all"})
    assert (seen.status_code, seen.headers["Location"]) == (303, f"{LIST}?tab=all")
    assert "data-mark" not in fetch(client, tab="all")
    # Later changes are not marked as seen.
    client.post(f"{LIST}seen/", {"revision": str(2**40)})
    mirror_rows(88, [*rows, *make_rows(35, 2)], at=NOON + timedelta(seconds=5))
    assert "data-mark" in fetch(client, tab="all")


def test_json_has_the_tabs_and_counts_of_the_page(
    now: Any, vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(36, 50), at=NOON)
    client = as_role("supervisor")
    api = "/api/v1/vdns/88/reservations/"
    answer = client.get(api, {"tab": "failed", "sort": "-due"}).json()
    assert (answer["source"], answer["complete"], answer["age"]) == ("mirror", True, 0)
    counts = client.get(f"{api}counts/").json()
    assert counts["revision"] == answer["revision"]
    assert counts["tabs"]["failed"] == answer["count"] == len(answer["results"])
    assert sum(counts["states"].values()) == counts["tabs"]["all"] == 50
    assert client.get(api, {"source": "live", "q": "an"}).status_code == 422
    assert client.get(f"{api}counts/", {"source": "live"}).status_code == 422
    for wrong in ({"sort": "agent"}, {"page": "2"}):
        assert client.get(api, {"jump": "2026-03-11T12:00Z", **wrong}).status_code == 422
    MirrorLeaf.objects.update(begin=NOON - timedelta(days=30), end=NOON + timedelta(days=90))
    past = {"begin": "2020-01-01T00:00", "end": "2020-02-01T00:00", "source": "mirror"}
    assert client.get(api, past).json()["reason"] == "outside"
    assert "it does not cover the requested time" in fetch(client, LIST, **past)


@pytest.mark.processes
def test_both_databases_show_the_same_pages_and_counts_during_a_sweep(
    vendor: Simulator, tmp_path: Path
) -> None:
    """SQLite and PostgreSQL."""
    with embedded(vendor, tmp_path) as site, furnished.postgres(site.env) as (address, _query):
        envs = (site.env, site.env | {"DATABASE_URL": address})
        works = ("walk", "count_while_swept")
        shown = [run(env | variables(), work) for env, work in product(envs, works)]
    assert shown[0] == shown[2]
    assert "revisions" in shown[1]
    assert "revisions" in shown[3]


def run(env: dict[str, str], work: str) -> str:
    code = f"from tests.support import mirror_lists; mirror_lists.{work}()"
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
