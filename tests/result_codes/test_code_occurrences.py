"""Counts of a code: the reservations with it in the last seven days."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import Error
from time_machine import Traveller

from isales_proxy.models import CodeSighting, Vdn
from isales_proxy.result_codes import occurrences
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.clock import NOON

LIST = "/vdn/88/reservations/"
PAGE = "/vdn/88/result-codes/"


def add(vendor: Simulator, *ids: str, code: str = "98765", vdn: int = 88) -> None:
    vendor.add_rows(
        vdn,
        [{"appointId": ident, "calledNo": f"7000{ident}", "failCode": code} for ident in ids],
    )


def counts() -> dict[str, int]:
    return occurrences.count_recent(Vdn.objects.get(pk=88))


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    client = as_role("supervisor")
    client.get(PAGE)
    return client


def test_reservation_counts_once_however_often_it_is_seen(
    vendor: Simulator, supervisor: Any, as_role: Any
) -> None:
    add(vendor, "1", "2", "3")
    for size in ("10", "25", "50"):
        supervisor.get(LIST, {"called_no": "7000", "size": size})
        as_role("auditor").get(LIST, {"called_no": "7000", "size": size})
    # Another process remembers nothing of it.
    occurrences.clear_memory()
    supervisor.get(LIST, {"called_no": "7000", "size": "100"})
    assert counts() == {"98765": 3}


def test_stored_occurrence_does_not_contain_the_reservation_id(
    vendor: Simulator, supervisor: Any
) -> None:
    add(vendor, "174727452137218001")
    supervisor.get(LIST, {"called_no": "7000"})
    counts()
    row = CodeSighting.objects.get()
    assert "1747" not in row.row
    assert len(row.row) == 40


def test_number_in_place_of_a_code_is_not_counted_or_shown(
    vendor: Simulator, supervisor: Any, as_role: Any
) -> None:
    """All roles can read the code book, which lists the codes that occurred."""
    for ident, number in (("1", "6612345"), ("2", "+4915112345678")):
        vendor.add_rows(88, [{"appointId": ident, "calledNo": number, "failCode": number}])
        assert number in supervisor.get(LIST, {"called_no": number}).text
    add(vendor, "3", code="6612345")
    supervisor.get(LIST, {"called_no": "70003"})
    assert counts() == {"6612345": 1}
    add(vendor, "4", code="013900000000")
    supervisor.get(LIST, {"called_no": "70004"})
    page = as_role("agent").get(PAGE, {"state": "unknown"}).text
    assert "4915112345678" not in page
    assert "013900000000" not in page


def test_reservation_that_changes_its_code_counts_for_both_codes(
    vendor: Simulator, supervisor: Any
) -> None:
    add(vendor, "1", code="00604")
    supervisor.get(LIST, {"called_no": "7000"})
    vendor.faults.add(
        "patch",
        operation=LIST_RESERVATIONS,
        times=None,
        fields={
            "data": [{"appointId": "1", "calledNo": "70001", "failCode": "00000"}],
            "totalCount": 1,
        },
    )
    supervisor.get(LIST, {"called_no": "7000", "size": "50"})
    assert counts() == {"00604": 1, "00000": 1}


def test_only_the_last_seven_days_count_and_older_rows_are_deleted(
    clock: Traveller, vendor: Simulator, supervisor: Any, as_role: Any
) -> None:
    add(vendor, "1", "2")
    supervisor.get(LIST, {"called_no": "7000"})
    clock.move_to(NOON + timedelta(days=3))
    # Seen again: it counts from that day on.
    assert as_role("supervisor").get(LIST, {"called_no": "70001"}).status_code == 200
    clock.move_to(NOON + timedelta(days=6))
    assert counts() == {"98765": 2}
    clock.move_to(NOON + timedelta(days=7))
    assert counts() == {"98765": 1}
    out = StringIO()
    clock.move_to(NOON + timedelta(days=9))
    call_command("apply_retention", stdout=out)
    assert "Sightings of result codes: 1" in out.getvalue()
    assert CodeSighting.objects.count() == 1
    clock.move_to(NOON + timedelta(days=10))
    assert counts() == {}


def test_codes_of_one_vdn_do_not_count_in_another(
    vendor: Simulator, supervisor: Any, as_role: Any
) -> None:
    add(vendor, "1", vdn=89)
    as_role("both").get("/vdn/89/reservations/", {"called_no": "7000"})
    assert counts() == {}
    assert occurrences.count_recent(Vdn.objects.get(pk=89)) == {"98765": 1}


def test_unknown_codes_are_listed_first_with_their_counts(
    vendor: Simulator, supervisor: Any
) -> None:
    add(vendor, "1", "2", code="98765")
    add(vendor, "3", "4", "5", code="<b>66")
    add(vendor, "6", code="00604")
    supervisor.get(LIST, {"called_no": "7000"})
    answer = supervisor.get(PAGE)
    text = answer.content.decode()
    cells = [{cell.field: cell for cell in row.cells} for row in answer.context["list"].page.rows]
    rows = [(row["code"].code or row["code"].main, row["seen_7d"].main) for row in cells]
    assert rows[:2] == [("<b>66", "3"), ("98765", "2")]
    assert ("00604", "1") in rows
    assert "&lt;b&gt;66" in text
    assert "<b>66" not in text.replace("<b>&lt;b&gt;66</b>", "")
    assert "unknown code" in text


def test_new_page_costs_one_query_more_and_a_known_page_none(
    vendor: Simulator, supervisor: Any, django_assert_max_num_queries: Any
) -> None:
    # By agent: a search for a number is an event of the audit, too.
    vendor.add_rows(
        88,
        [
            {"appointId": str(number), "userAccount": "900", "failCode": "00604"}
            for number in range(100, 150)
        ],
    )
    supervisor.get(LIST, {"agent": "901"})
    with django_assert_max_num_queries(6):
        supervisor.get(LIST, {"agent": "900", "size": "50"})
    assert counts() == {"00604": 50}
    with django_assert_max_num_queries(5):
        supervisor.get(LIST, {"agent": "900", "size": "25", "page": "2"})
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 3
    assert counts() == {"00604": 50}


def test_failed_counting_does_not_affect_the_list(
    vendor: Simulator, supervisor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise Error

    add(vendor, "1")
    with monkeypatch.context() as patched:
        patched.setattr(CodeSighting.objects, "store", refuse)
        answer = supervisor.get(LIST, {"called_no": "7000"})
        assert counts() == {}
    assert answer.status_code == 200
    assert b"98765" in answer.content
    supervisor.get(LIST, {"called_no": "7000", "size": "50"})
    assert counts() == {"98765": 1}


@pytest.mark.parametrize("code", ["9" * 400, "a\x00b", "é" * 40, "\x00"])
def test_odd_codes_do_not_break_list_or_table(
    vendor: Simulator, supervisor: Any, code: str
) -> None:
    add(vendor, "1", code=code)
    assert supervisor.get(LIST, {"called_no": "7000"}).status_code == 200
    assert sum(counts().values()) <= 1
    assert supervisor.get(PAGE).status_code == 200
