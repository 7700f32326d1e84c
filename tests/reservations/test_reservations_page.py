"""The reservations page, against the simulator over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from time_machine import Traveller

from isales_proxy.client.records import Reservation
from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    """A supervisor whose code table is cached already, so that pages have their usual cost."""
    client = as_role("supervisor")
    client.get(LIST)
    vendor.calls.clear()
    return client


def test_page_shows_rows_total_and_provenance(supervisor: Any) -> None:
    text = supervisor.get(LIST, {"size": "50", "page": "2"}).content.decode()
    assert len(rows_of(text)) == 50
    assert 'id="results"' in text
    assert 'data-total-count="600"' in text
    assert 'data-source="live"' in text
    as_of = datetime.fromisoformat(re.search(r'data-as-of="([^"]+)"', text)[1])  # type: ignore[index]
    assert as_of.tzinfo is not None


def test_fragment_of_fifty_rows_costs_one_vendor_call_and_few_queries(
    supervisor: Any, vendor: Simulator, django_assert_max_num_queries: Any
) -> None:
    supervisor.get(LIST, {"size": "50"}, headers=FRAGMENT)
    vendor.calls.clear()
    with django_assert_max_num_queries(6):
        answer = supervisor.get(LIST, {"size": "50", "page": "3"}, headers=FRAGMENT)
    assert answer.status_code == 200
    assert len(rows_of(answer.content.decode())) == 50
    assert [call.operation for call in vendor.calls] == [LIST_RESERVATIONS]


def test_full_page_costs_few_queries(supervisor: Any, django_assert_max_num_queries: Any) -> None:
    supervisor.get(LIST)
    # Two of them are the savepoint of what a page may leave unwritten.
    with django_assert_max_num_queries(8):
        supervisor.get(LIST, {"size": "50", "page": "4"})


def test_fragment_of_fifty_rows_stays_small(supervisor: Any) -> None:
    answer = supervisor.get(LIST, {"size": "50"}, headers=FRAGMENT)
    assert len(rows_of(answer.content.decode())) == 50
    assert len(answer.content) <= 60 * 1024


def test_htmx_request_gets_the_fragment_alone(supervisor: Any) -> None:
    answer = supervisor.get(LIST, headers=FRAGMENT)
    text = answer.content.decode()
    assert "<html" not in text
    assert 'id="results"' in text
    assert "HX-Request" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("more", ["HX-History-Restore-Request", "HX-Boosted"])
def test_history_restore_or_boosted_link_gets_the_page(supervisor: Any, more: str) -> None:
    text = supervisor.get(LIST, headers={**FRAGMENT, more: "true"}).content.decode()
    assert "<html" in text


def test_filters_reach_the_vendor_in_its_format(supervisor: Any, vendor: Simulator) -> None:
    supervisor.get(
        f"{LIST}?called_no=%2B65+8123-4567&agent=116&agent=121,104&task=1106025109"
        "&begin=2025-05-15T00:00&end=2025-05-16T00:00&page=3&size=10"
    )
    (call,) = vendor.calls.filter(LIST_RESERVATIONS)
    assert call.body == {
        "calledNo": "+6581234567",
        "userAccountList": ["116", "121", "104"],
        "taskId": "1106025109",
        # Midnight in Shanghai is 16:00 UTC of the day before.
        "beginTime": int(datetime(2025, 5, 14, 16, tzinfo=UTC).timestamp() * 1000),
        "endTime": int(datetime(2025, 5, 15, 16, tzinfo=UTC).timestamp() * 1000),
        "offset": 20,
        "limit": 10,
    }
    assert call.verified


def test_range_of_today_follows_the_date(clock: Traveller, vendor: Simulator, as_role: Any) -> None:
    clock.move_to(datetime(2026, 3, 9, 15, 30, tzinfo=UTC))
    supervisor = as_role("supervisor")
    begins = []
    for _hour in range(2):
        assert supervisor.get(f"{LIST}?range=today").status_code == 200
        begins.append(vendor.calls.filter(LIST_RESERVATIONS)[-1].body["beginTime"])
        clock.shift(timedelta(hours=1))
    # Before and after midnight in Shanghai.
    assert begins[1] - begins[0] == 24 * 3600 * 1000


def test_unknown_parameters_are_ignored(supervisor: Any, vendor: Simulator) -> None:
    answer = supervisor.get(LIST, {"colour": "blue", "page": "2"})
    assert answer.status_code == 200
    assert "colour" not in str(vendor.calls[0].body)


def test_every_link_keeps_every_filter(supervisor: Any) -> None:
    text = supervisor.get(
        f"{LIST}?called_no=6&agent=116&agent=121&task=1106025109&begin=2025-01-01T00:00&size=10"
    ).content.decode()
    links = [link for link in re.findall(r'href="([^"]+)"', text) if "page=2" in link]
    assert links
    for link in links:
        for part in ("called_no=6", "agent=116", "agent=121", "task=1106025109", "begin=2025"):
            assert part in link


@pytest.mark.parametrize("agents", [5, 30, 100])
def test_fragment_stays_small_with_many_filters(
    clock: Traveller, supervisor: Any, agents: int
) -> None:
    assert len(fetch_filtered(supervisor, range(100, 100 + agents))) <= 64 * 1024


def test_each_agent_of_the_filter_adds_few_bytes(clock: Traveller, supervisor: Any) -> None:
    """The rows stay the same, since no row has the added accounts."""
    few, many = range(100, 125), [*range(100, 125), *range(900, 975)]
    grown = len(fetch_filtered(supervisor, many)) - len(fetch_filtered(supervisor, few))
    assert 0 < grown <= 75 * 200


def fetch_filtered(supervisor: Any, agents: Iterable[int]) -> bytes:
    """Fetch the fragment of fifty rows with the longest address."""
    asked = "&".join(f"agent={number}" for number in agents)
    answer = supervisor.get(
        f"{LIST}?size=50&called_no=6&begin=2025-05-15T00:00&end=2036-05-16T00:00&{asked}",
        headers=FRAGMENT,
    )
    assert answer.status_code == 200
    content: bytes = answer.content
    return content


def test_too_many_agents_are_shown_and_can_be_removed(supervisor: Any) -> None:
    asked = "&".join(f"agent={number}" for number in range(101))
    answer = supervisor.get(f"{LIST}?called_no=6&{asked}")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'value="{",".join(str(number) for number in range(101))}"' in text
    assert f'href="{LIST}?called_no=6"' in text


def test_page_size_over_the_maximum_is_reduced(supervisor: Any, vendor: Simulator) -> None:
    assert supervisor.get(LIST, {"size": "900"}).status_code == 200
    assert vendor.calls[0].body["limit"] == 100


def test_result_code_is_shown_with_its_meaning(supervisor: Any, vendor: Simulator) -> None:
    vendor.add_rows(
        88, [{"appointId": "1", "calledNo": "70001", "failCode": "00604", "appointTime": 1}]
    )
    (row,) = rows_of(supervisor.get(LIST, {"called_no": "70001"}).content.decode())
    assert row["failCode"].startswith("00604")
    assert "The call is rejected." in row["failCode"]


def test_unknown_code_names_the_table_that_lacks_it(supervisor: Any, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": "1", "calledNo": "70002", "failCode": "99998"}])
    (row,) = rows_of(supervisor.get(LIST, {"called_no": "70002"}).content.decode())
    assert row["failCode"].startswith("99998")
    assert "unknown code (table of" in row["failCode"]


def test_masked_code_is_not_called_unknown(as_role: Any, vendor: Simulator) -> None:
    row = {"appointId": "1", "calledNo": "6660060433", "taskId": "4711", "failCode": "00604"}
    vendor.add_rows(88, [row])
    page = as_role("auditor").get(LIST, {"task": "4711"}).content.decode()
    assert "00604" not in page
    assert "hidden: it may be part of a number" in page


def test_markup_from_the_vendor_is_escaped(supervisor: Any, vendor: Simulator) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    vendor.add_rows(
        88,
        [{"appointId": f"1{evil}", "calledNo": "70003", "userName": evil, "busiResult": evil}],
    )
    text = supervisor.get(LIST, {"called_no": "70003"}).content.decode()
    assert "<img src=x" not in text
    assert rows_of(text)[0]["userName"].startswith(evil)


def test_rows_without_any_field_are_listed(supervisor: Any, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"calledNo": "70004"}, {"calledNo": "70004", "failCode": None}])
    assert len(rows_of(supervisor.get(LIST, {"called_no": "70004"}).content.decode())) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"appointId": "1/2"},
        {"appointId": ".."},
        {"appointId": "1\\2"},
        {"appointId": "9" * 500},
        {"appointTime": 253402300799000},
        {"appointTime": -62135596800000, "callType": "2"},
        {"appointTime": 0, "beginTime": 0, "endTime": 0, "createTime": 0},
        {"appointTime": "soon", "timeout": "perhaps"},
        {"userName": "x" * 5000, "taskName": "\u202e\u0000"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_row_with_unusual_values_does_not_break_the_list(
    supervisor: Any, vendor: Simulator, fields: dict[str, Any]
) -> None:
    vendor.add_rows(88, [{"appointId": "51", "calledNo": "7080"} | fields])
    for address in (LIST, "/api/v1/vdns/88/reservations/"):
        answer = supervisor.get(address, {"called_no": "7080"})
        assert answer.status_code == 200
    assert len(rows_of(supervisor.get(LIST, {"called_no": "7080"}).content.decode())) == 1


@pytest.mark.parametrize("number", ["7" * 80, "7081\t1", "7081 ext. 5"])
def test_unsearchable_number_has_no_related_reservations(
    supervisor: Any, vendor: Simulator, number: str
) -> None:
    vendor.add_rows(88, [{"appointId": "61", "calledNo": number, "taskId": "4711"}])
    supervisor.get(LIST, {"task": "4711"})
    assert supervisor.get(f"{LIST}61/", headers=FRAGMENT).status_code == 200
    assert supervisor.get(f"{LIST}61/related/", headers=FRAGMENT).status_code == 200
    assert supervisor.get(f"{LIST}61/related/").status_code == 302


def test_panel_fetches_a_row_again_after_a_minute(
    clock: Traveller, supervisor: Any, vendor: Simulator
) -> None:
    vendor.add_rows(88, [{"appointId": "71", "calledNo": "7090", "userName": "Ana"}])
    supervisor.get(LIST, {"called_no": "7090"})
    clock.shift(timedelta(minutes=5))
    vendor.calls.clear()
    assert supervisor.get(f"{LIST}71/", headers=FRAGMENT).status_code == 200
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 1
    clock.shift(timedelta(minutes=5))
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    old = supervisor.get(f"{LIST}71/", headers=FRAGMENT)
    assert old.status_code == 503
    assert "Ana" in old.content.decode()
    assert "data-problem=" in old.content.decode()


def test_last_good_answer_survives_many_other_pages(
    clock: Traveller, supervisor: Any, vendor: Simulator
) -> None:
    supervisor.get(LIST, {"task": "1106025109"})
    for room in range(40):
        caches["rows"].set_many({f"filler:{room}:{number}": 1 for number in range(150)})
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    clock.shift(timedelta(minutes=1))
    answer = supervisor.get(LIST, {"task": "1106025109"})
    assert 'data-source="stale"' in answer.content.decode()


def test_panel_shows_all_eighteen_fields(supervisor: Any) -> None:
    row = rows_of(supervisor.get(LIST).content.decode())[0]
    answer = supervisor.get(row["url"], headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == 200
    for field in Reservation.vendor_names().values():
        assert f'data-field="{field}"' in text, field


def test_panel_costs_no_vendor_call_for_a_row_just_listed(
    supervisor: Any, vendor: Simulator
) -> None:
    row = rows_of(supervisor.get(LIST).content.decode())[0]
    vendor.calls.clear()
    supervisor.get(row["url"], headers=FRAGMENT)
    assert list(vendor.calls) == []


def test_panel_address_is_a_page_with_the_list(supervisor: Any) -> None:
    row = rows_of(supervisor.get(LIST, {"task": "1106025109"}).content.decode())[0]
    assert "task=1106025109" in row["url"]
    text = supervisor.get(row["url"]).content.decode()
    assert rows_of(text)
    assert 'id="panel"' in text
    assert row["calledNo"] in text


def test_panel_of_unknown_reservation_is_404(supervisor: Any) -> None:
    assert supervisor.get(f"{LIST}12345/", headers=FRAGMENT).status_code == 404
    assert supervisor.get(f"{LIST}12345/").status_code == 404


def test_related_reservations_have_exactly_the_same_number(
    supervisor: Any, vendor: Simulator
) -> None:
    vendor.add_rows(
        88,
        [
            {"appointId": "11", "calledNo": "7050"},
            {"appointId": "12", "calledNo": "7050"},
            {"appointId": "13", "calledNo": "70501"},
        ],
    )
    supervisor.get(LIST, {"called_no": "7050"})
    text = supervisor.get(f"{LIST}11/related/", headers=FRAGMENT).content.decode()
    assert f"{LIST}12/" in text
    assert f"{LIST}13/" not in text
    assert f"{LIST}11/" not in text


def test_code_table_is_fetched_once_when_first_needed(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    client.get(LIST)
    assert len(vendor.calls.filter(LIST_RESULT_CODES)) == 6
    client.get(LIST, {"page": "2"})
    assert len(vendor.calls.filter(LIST_RESULT_CODES)) == 6


def test_page_beyond_the_last_links_to_the_first(supervisor: Any) -> None:
    answer = supervisor.get(LIST, {"page": "900"})
    assert answer.status_code == 200
    assert 'data-total-count="600"' in answer.content.decode()
    assert "page=24" in answer.content.decode()


def test_address_of_more_than_six_kilobytes_is_served(supervisor: Any) -> None:
    agents = "&".join(f"agent={'a' * 58}{number:03}" for number in range(100))
    answer = supervisor.get(f"{LIST}?{agents}")
    assert len(agents) > 6000
    assert answer.status_code == 200


def test_ambiguous_agent_stays_in_its_field(supervisor: Any, vendor: Simulator) -> None:
    rows = [
        {"appointId": f"94{n}", "userAccount": f"941{n}", "userName": f"{n} Lark"} for n in "12"
    ]
    vendor.add_rows(88, rows)
    supervisor.get(LIST, {"agent": ["9411", "9412"]})
    answer = supervisor.get(LIST, {"agent": "Lark"})
    assert answer.status_code == 422
    (field,) = re.findall(r'<input id="f-agent"[^>]*>', answer.content.decode())
    assert 'value="Lark"' in field
