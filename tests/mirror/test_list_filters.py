"""Filters, tabs and orders of the list: what they find, and why some are refused."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from isales_proxy.client.records import Reservation
from isales_proxy.exports import services as exports
from isales_proxy.models import ExportState, MirrorState, Role
from isales_proxy.models.exports import ExportJob
from isales_proxy.outbound import directory
from isales_proxy.reservations import mirror_reader
from isales_proxy.reservations.query import Tab
from isales_proxy.reservations.status import ReservationState, get_status
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.mirror import make_row, mirror_rows
from tests.support.mirror_lists import NOON, create_scope, list_all, list_page, make_rows
from tests.support.pages import results_of, rows_of

LIST = "/vdn/88/reservations/"
API = "/api/v1/vdns/88/reservations/"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def fetch(
    client: Client, address: str = LIST, *, expected_status: int = 200, **parameters: Any
) -> str:
    answer = client.get(address, parameters, headers={"HX-Request": "true"})
    assert answer.status_code == expected_status, answer.content
    return html.unescape(answer.content.decode())


def ids(text: str) -> set[str]:
    return {row["id"] for row in rows_of(text)}


@pytest.mark.parametrize("past", [False, True])
def test_state_finds_the_rows_of_that_state_in_every_tab(db: None, past: bool) -> None:
    rows = make_rows(51, 200)
    mirror_rows(88, rows, at=NOON - timedelta(seconds=40))
    mirror_rows(88, rows[:-15], at=NOON - timedelta(seconds=20))
    scope = create_scope(Role.SUPERVISOR)
    question = {"as_of": NOON} if past else {}
    every = list_all(scope, tab=Tab.ALL, **question)
    grace = scope.vdn.late_grace
    for state in ReservationState:
        wanted = [row for row in every if get_status(row, NOON, late_grace=grace).state is state]
        page = list_page(scope, NOON, tab=Tab.ALL, state=state.value, **question)
        assert page.mirror is not None
        assert page.total == len(page.rows) == len(wanted) > 0, state
        assert {row.appoint_id for row in page.rows} == {row.appoint_id for row in wanted}
        numbers = {each: getattr(page.mirror.counts, each) for each in ReservationState}
        assert {each for each, number in numbers.items() if number} == {state}


def test_rows_called_without_outcome_are_found_in_all_tabs(vendor: Simulator, as_role: Any) -> None:
    mirror_rows(88, make_rows(52, 60), at=NOON)
    text = fetch(as_role("supervisor"), state="called", size=100)
    assert {row["state"] for row in rows_of(text)} == {"called"}
    assert re.search(r'data-tab="all"[^>]* aria-current', text)
    assert "No outcome" in text
    # Chosen within a part that has none, the way to them is shown.
    empty = fetch(as_role("supervisor"), state="called", tab="open")
    found = re.search(r'href="([^"]*)"[^>]* data-elsewhere>Show (\d+) rows? of all parts', empty)
    assert found
    assert len(rows_of(fetch(as_role("supervisor"), f"{found[1]}&size=100"))) == int(found[2]) > 0


def test_page_and_api_use_the_same_names_of_states(vendor: Simulator, as_role: Any) -> None:
    mirror_rows(88, make_rows(53, 80), at=NOON)
    client = as_role("supervisor")
    shown = {row["id"]: row["state"] for row in rows_of(fetch(client, tab="all", size=100))}
    answer = client.get(API, {"tab": "all", "size": "100"}).json()
    assert {row["appoint_id"]: row["state"] for row in answer["results"]} == shown
    counts = client.get(f"{API}counts/").json()
    tally = {state: list(shown.values()).count(state) for state in ReservationState.values}
    assert counts["states"] == tally
    for tab in ("overdue", "dialling", "soon", "failed", "gone"):
        assert counts["tabs"][tab] == counts["states"][tab]


def test_code_is_found_with_or_without_its_zeros(vendor: Simulator, as_role: Any) -> None:
    codes = ("00603", "603", "00000", "0", "00604", "A1")
    rows = [make_row(n, failCode=code, beginTime=1) for n, code in enumerate(codes, start=1)]
    mirror_rows(88, rows, at=NOON)
    client = as_role("supervisor")

    def find(**asked: str | list[str]) -> set[int]:
        return {int(each) for each in ids(fetch(client, tab="all", **asked))}

    assert find(code="603") == find(code="00603") == {1, 2}
    assert find(code="603,604") == find(code=["604", "603"]) == {1, 2, 5}
    assert find(code="0") == find(category="success") == {3, 4}
    assert find(code="A1") == {6}
    assert find(code="0603", category="success") == set()
    assert find(code="99999") == set()


def test_filters_offer_the_types_that_occur(vendor: Simulator, as_role: Any) -> None:
    types = ("1", "7", None, "2", "7")
    rows = [make_row(n, callType=each, taskStatus="9") for n, each in enumerate(types, start=1)]
    mirror_rows(88, rows, at=NOON)
    client = as_role("supervisor")
    text = fetch(client, tab="all", type="7")
    assert len(rows_of(text)) == 2
    chosen = re.search(r'<select id="f-type".*?</select>', text, re.DOTALL)
    assert chosen
    offered = dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)<', chosen[0]))
    assert offered == {"": "Any", "1": "Manual", "2": "Auto", "7": "7"}
    assert '<option value="9"' in text
    assert fetch(client, tab="all", status="9").count("data-appoint-id") == 5
    assert "none of the values" in fetch(client, expected_status=422, type="<>")
    refused = fetch(client, expected_status=422, tab="nonsense", type="7")
    assert '<option value="7" selected' in refused


def test_heading_of_an_unsortable_column_gives_the_reason(
    vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror_rows(88, make_rows(54, 40), at=NOON)

    def read_notes(role: str) -> dict[str, str]:
        text = fetch(as_role(role), tab="all", sort="-number")
        found = re.findall(
            r'<th scope="col" class="c-(\w+)" abbr="[^"]*" title="([^"]*)">[^<]*'
            r'<span class="visually-hidden">\. ([^<]*)</span>',
            text,
        )
        assert all(title == read for _key, title, read in found)
        return {key: title for key, title, _read in found}

    assert read_notes("supervisor") == {}
    hidden = read_notes("auditor")
    assert set(hidden) == {"number", "business"}
    assert "reveal hidden data" in hidden["number"]
    assert "reveal hidden data" in fetch(as_role("auditor"), tab="all", sort="-number")
    monkeypatch.setattr(mirror_reader, "MAX_SORTED_ROWS", 10)
    long = read_notes("supervisor")
    assert len(long) == 8
    assert "due time only" in long["agent"]


@pytest.mark.parametrize(
    ("name", "label"), [("tab", "Tab"), ("sort", "Order"), ("source", "Source"), ("range", "Due")]
)
def test_refused_parameter_is_named_by_its_label_and_can_be_dropped(
    vendor: Simulator, as_role: Any, name: str, label: str
) -> None:
    mirror_rows(88, make_rows(55, 10), at=NOON)
    text = fetch(as_role("supervisor"), expected_status=422, **{name: "nonsense", "type": "1"})
    notice = text[text.index("data-parameters") :].partition("</div>")[0]
    assert f"{label}: " in notice
    assert "<code>" not in notice
    dropped = re.search(r'href="([^"]*)"[^>]*>Show the list without it<', text)
    assert dropped
    assert dropped[1] == f"{LIST}?type=1"


# --- one source away ----------------------------------------------------------------------------


def test_failed_live_page_links_to_the_mirror(vendor: Simulator, as_role: Any) -> None:
    mirror_rows(88, make_rows(56, 20), at=NOON)
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    text = fetch(as_role("supervisor"), expected_status=503, source="live", agent="117")
    other = re.search(r'href="([^"]*)"[^>]* data-other-source>Open the complete list', text)
    assert other
    assert 'data-source="mirror"' in results_of(fetch(as_role("supervisor"), other[1]))


def test_file_has_the_source_that_the_list_shows(vendor: Simulator, as_role: Any) -> None:
    """While CC-iSales is unavailable an old mirror replaces it, for the list and for its file."""
    mirror_rows(88, make_rows(57, 40), at=NOON - timedelta(hours=2))
    client = as_role("supervisor")
    live = fetch(client)
    assert 'data-source="live"' in results_of(live)
    assert "export.csv?source=live" in live
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        shown = fetch(client, size=100, task="2")
        assert 'data-source="mirror"' in results_of(shown)
        linked = re.search(r'href="([^"]*export\.csv[^"]*)"', shown)
        assert linked
        assert "source=mirror" in linked[1]
        for address in (linked[1], f"{LIST}export.csv?task=2"):
            answer: Any = client.get(address)
            lines = b"".join(answer.streaming_content).decode().splitlines()[1:]
            assert len(lines) == len(rows_of(shown)) > 0


def test_queued_file_keeps_the_source_that_was_shown(
    vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.reservations.export_file.MOST_AT_ONCE", 5)
    mirror_rows(88, make_rows(58, 20), at=NOON)
    client = as_role("supervisor")
    page = client.get(f"{LIST}export.csv", {"tab": "all"}).headers["Location"]
    MirrorState.objects.update(enabled=False)
    exports.run_queued()
    assert ExportJob.objects.get().state == ExportState.FAILED
    assert "no complete list at the moment" in client.get(page).content.decode()


def test_saved_tab_without_a_mirror_shows_the_live_list_with_a_note(
    vendor: Simulator, as_role: Any
) -> None:
    mirror_rows(88, make_rows(59, 20), at=NOON)
    MirrorState.objects.update(enabled=False)
    client = as_role("supervisor")
    for asked in ({"tab": "open"}, {"sort": "-agent"}, {"source": "mirror", "tab": "gone"}):
        text = fetch(client, **asked)
        assert re.search(r'data-source="(live|cache)"', results_of(text))
        assert "This VDN has no complete list at the moment" in text
        assert f'href="{LIST}export.csv"' in text
    assert "no complete list" in fetch(client, expected_status=422, code="00604", tab="failed")
    assert client.get(API, {"tab": "open"}).status_code == 422
    assert client.get(f"{LIST}export.csv", {"tab": "failed"}).status_code == 422


def test_gone_reservation_is_found_while_the_mirror_is_off(vendor: Simulator, as_role: Any) -> None:
    rows = make_rows(60, 20)
    mirror_rows(88, rows, at=NOON - timedelta(seconds=30))
    mirror_rows(88, rows[1:], at=NOON)
    MirrorState.objects.update(enabled=False)
    client = as_role("supervisor")
    assert 'data-state="gone"' in fetch(client, f"{LIST}{rows[0]['appointId']}/")
    fetch(client, f"{LIST}{rows[1]['appointId']}/", expected_status=404)


def test_jump_beyond_the_ends_leads_back(vendor: Simulator, as_role: Any) -> None:
    mirror_rows(88, make_rows(61, 60), at=NOON)
    client = as_role("supervisor")
    first = fetch(client, tab="open")
    found = fetch(client, tab="open", jump="2001-01-01T00:00")
    assert [row["id"] for row in rows_of(found)] == [row["id"] for row in rows_of(first)]
    assert 'rel="prev"' not in found
    beyond = fetch(client, tab="overdue", jump="2099-01-01T00:00")
    assert not rows_of(beyond)
    assert "matches these filters" not in beyond
    back = re.search(r'href="([^"]*)"[^>]*>First page', beyond)
    assert back
    assert rows_of(fetch(client, back[1]))


def test_names_of_the_complete_list_are_filters_before_any_page_has_shown_them(
    vendor: Simulator, as_role: Any
) -> None:
    names = {"userName": "Siobhán O'Brien", "taskName": "Q&A <autumn>"}
    rows = [make_row(n, userAccount="116", taskId="7") | names for n in range(3)]
    rows += [make_row(9, userAccount="117", userName="13800138000 Ann", taskId="8")]
    mirror_rows(88, rows, at=NOON)
    for role in ("supervisor", "auditor"):
        client = as_role(role)
        for asked in ({"agent": "Siobhán O'Brien"}, {"agent": "o'brien"}, {"task": "q&a"}):
            answer = client.get(API, {"tab": "all", "source": "mirror", **asked})
            assert answer.status_code == 200, (asked, answer.content)
            assert answer.json()["count"] == 3
            cache.clear()
    # Who sees masked names does not find a number in them.
    assert fetch(as_role("auditor"), expected_status=422, agent="13800138000 Ann")
    assert len(ids(fetch(as_role("supervisor"), tab="all", agent="13800138000 Ann"))) == 1


def test_name_that_a_page_has_shown_is_found_although_the_mirror_has_an_older_one(
    vendor: Simulator, as_role: Any
) -> None:
    row = make_row(1, userAccount="117", userName="Li Wei", taskId="7", taskName="Old")
    mirror_rows(88, [row], at=NOON)
    scope = create_scope(Role.SUPERVISOR)
    shown, _problems = Reservation.parse(row | {"userName": "Ann Lee", "taskName": "New"})
    client = as_role("supervisor")
    for asked in ({"agent": "Ann"}, {"task": "New"}):
        # The answer then shows the name of the mirror.
        directory.remember_names(scope=scope, rows=[shown])
        answer = client.get(API, {"tab": "all", "source": "mirror", **asked})
        assert (answer.status_code, answer.json()["count"]) == (200, 1), asked


def test_agent_does_not_learn_names_of_others_by_filtering(vendor: Simulator, as_role: Any) -> None:
    rows = [make_row(1, userAccount="117", taskId="secret", taskName="Merger")]
    mirror_rows(88, rows, at=NOON)
    assert fetch(as_role("agent"), expected_status=422, task="Merger (draft)")
    assert 'value="Merger"' in fetch(as_role("agent"), task="Merger")
