"""What the doctor makes of what comes back: fields, envelopes, clocks, and the open questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isales_proxy import client
from isales_proxy.access import Scope
from isales_proxy.diagnostics import causes
from isales_proxy.diagnostics import report as doctor_report
from isales_proxy.diagnostics.findings import EndpointInclusion, Match
from isales_proxy.simulator import LIST_RESERVATIONS, LIST_RESULT_CODES, Simulator
from tests.support.doctor import asked, examined, fact, of


def test_what_is_as_documented_is_told_as_that(vendor: Simulator, scope: Scope) -> None:
    report = examined()
    assert fact(report, "list_result_codes", "fields") == "as documented"
    assert fact(report, "list_result_codes", "envelope") == "resultCode+returnCode"
    assert fact(report, "list_outbound_tasks", "envelope") == "result number, taskData list"
    assert fact(report, "list_outbound_tasks", "fields") == "as documented"
    assert fact(report, "fetch_token", "envelope") == "AccessToken"
    assert fact(report, "fetch_token", "rows") == fact(report, "fetch_token", "fields") == ""


def test_fields_that_differ_are_named(settings: Any, scope: Scope, simulated: Any) -> None:
    vendor = simulated(rows=0)
    vendor.add_rows(
        88, [{"appointId": "41", "calledNo": 6591234567, "vipLevel": 3, "endTime": "x"}]
    )
    listed = of(examined(), "list_reservations")
    assert ("vipLevel", "unknown") in listed.drift
    assert ("calledNo", "retyped") in listed.drift
    assert ("taskName", "missing") in listed.drift
    assert ("endTime", "unreadable") in listed.drift
    words = fact(examined(), "list_reservations", "fields")
    assert "never documented: vipLevel" in words
    assert "unreadable: endTime" in words


def test_an_envelope_that_differs_is_told(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("no_codes", operation=LIST_RESULT_CODES, drop="returnCode")
    report = examined()
    words = "resultCode (documented: resultCode+returnCode)"
    assert fact(report, "list_result_codes", "envelope") == words
    told = doctor_report.headline(report)
    assert "Differs from the documentation: " in told
    assert "Querying OBS Outbound Call Result Codes" in told


def test_a_vendor_of_the_tables_is_told_apart_from_one_of_the_examples(
    scope: Scope, simulated: Any
) -> None:
    simulated(result_as_text=True, flat=True)
    assert fact(examined(), "list_outbound_tasks", "envelope").startswith("result text, ")


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0, r"the same as ours, within 0\.[5-9] s"),
        (-90, r"(89|90|91) s ahead of ours, within 0\.[5-9] s"),
        (90, r"(89|90|91) s behind ours, within 0\.[5-9] s"),
        (3600, r"(59|60) min behind ours, within 0\.[5-9] s"),
    ],
)
def test_a_clock_difference_is_told(
    vendor: Simulator, scope: Scope, shift: int, words: str
) -> None:
    report = examined(clock=shifted(shift))
    assert re.fullmatch(words, fact(report, "list_reservations", "clock"))
    assert re.fullmatch(words, fact(report, "fetch_token", "clock"))


def test_a_clock_difference_is_told_of_a_refused_signature_too(
    vendor: Simulator, scope: Scope
) -> None:
    """A wrong clock is one of the reasons for it."""
    vendor.faults.add("unauthorized", operation=LIST_RESERVATIONS)
    report = examined(clock=shifted(-1200))
    assert of(report, "list_reservations").http_status == 401
    assert "20 min ahead of ours" in fact(report, "list_reservations", "clock")


def shifted(seconds: int) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(("exact", "match"), [(True, Match.WHOLE), (False, Match.PART)])
def test_the_simulator_is_found_out(
    scope: Scope, simulated: Any, exact: bool, match: Match
) -> None:
    simulated(rows=600, exact_number=exact)
    found = examined(probes=True).probes
    assert found is not None
    assert found.number.match is match
    assert found.time_range.column == "appointTime"
    assert found.order.same is True
    assert (found.page.largest, found.page.asked) == (100, 200)


@pytest.mark.parametrize(
    ("limit", "rows", "largest", "ending"),
    [
        (20, 600, 10, EndpointInclusion.REFUSED),
        (200, 600, 200, EndpointInclusion.REFUSED),
        (1000, 1500, 1000, EndpointInclusion.TOP),
        (1000, 30, 1000, EndpointInclusion.TOP),
    ],
)
def test_the_largest_page_of_the_simulator_is_found(
    scope: Scope, simulated: Any, limit: int, rows: int, largest: int, ending: EndpointInclusion
) -> None:
    simulated(rows=rows, max_limit=limit)
    report = examined(probes=True)
    assert report.probes is not None
    assert (report.probes.page.largest, report.probes.page.ending) == (largest, ending)
    words = fact(report, "probes", "page")
    assert ("Lower ISALES_MAX_PAGE_SIZE to 10." in words) == (limit == 20)
    assert ("a silent cap would not show" in words) == (rows == 30)


def test_an_empty_list_answers_and_leaves_the_rest_open(scope: Scope, simulated: Any) -> None:
    vendor = simulated(rows=0)
    report = examined(probes=True)
    assert report.failed == ()
    assert asked(vendor)[LIST_RESERVATIONS] == 1
    assert fact(report, "list_reservations", "fields") == "no row to compare"
    for name in ("range", "number", "page", "order"):
        assert fact(report, "probes", name) == "Cannot tell: the list has too few rows."


def test_every_sentence_of_the_client_can_be_told() -> None:
    """Of those about the vendor; the others are told in words of the doctor's own."""
    folder = Path(client.__file__).parent
    places = r"Unreachable|BadAnswer|TimedOut|complaint =|NO_TOKEN =|(?:C2|BEARER|OPEN):"
    known = re.compile(rf'(?:{places})\(?\s*"([A-Z][^"]+\.)"')
    found = {text for path in folder.rglob("*.py") for text in known.findall(path.read_text())}
    assert len(found) > 15
    assert found == causes.SENTENCES


def test_the_cause_of_a_failure_is_told(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("no_data", operation=LIST_RESERVATIONS)
    vendor.faults.add("unauthorized", operation=LIST_RESULT_CODES)
    report = examined()
    explanation = fact(report, "list_reservations", "explanation")
    assert "The answer holds no list of records." in explanation
    explanation = fact(report, "list_result_codes", "explanation")
    assert "Check the keys and the clock of this server." in explanation
