"""Findings of the API doctor: fields, envelopes, clocks, and the questions left open."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dashboard import catalog
from isales_proxy import client
from isales_proxy.access import Scope
from isales_proxy.diagnostics.report import describe_outcome
from isales_proxy.simulator import (
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    ListBehaviour,
    Simulator,
)
from tests.support.cases import cases
from tests.support.doctor import count_calls, get_fact, run_check


def test_documented_answer_is_reported_as_documented(vendor: Simulator, scope: Scope) -> None:
    report = run_check()
    assert get_fact(report, "list_result_codes", "fields") == "as documented"
    assert get_fact(report, "list_result_codes", "envelope") == "resultCode+returnCode"
    assert get_fact(report, "list_outbound_tasks", "envelope") == "result number, taskData list"
    assert get_fact(report, "list_outbound_tasks", "fields") == "as documented"
    assert get_fact(report, "fetch_token", "envelope") == "AccessToken"
    assert (
        get_fact(report, "fetch_token", "rows") == get_fact(report, "fetch_token", "fields") == ""
    )


def test_differing_fields_are_named(settings: Any, scope: Scope, simulated: Any) -> None:
    vendor = simulated(rows=0)
    vendor.add_rows(
        88, [{"appointId": "41", "calledNo": 6591234567, "vipLevel": 3, "endTime": "x"}]
    )
    fields = get_fact(run_check(), "list_reservations", "fields").split("; ")
    assert "never documented: vipLevel" in fields
    assert "unreadable: endTime" in fields
    assert any(re.match("of another type than documented: .*calledNo", part) for part in fields)
    assert any(re.match("missing: .*taskName", part) for part in fields)


def test_differing_envelope_is_reported(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("no_codes", operation=LIST_RESULT_CODES, drop=("returnCode",))
    report = run_check()
    words = "resultCode (documented: resultCode+returnCode)"
    assert get_fact(report, "list_result_codes", "envelope") == words
    told = describe_outcome(report)
    assert "Differs from the documentation: " in told
    assert "Querying OBS Outbound Call Result Codes" in told


def test_envelope_with_result_as_text_is_recognised(scope: Scope, simulated: Any) -> None:
    simulated(as_declared=True)
    assert get_fact(run_check(), "list_outbound_tasks", "envelope").startswith("result text, ")


@cases(
    ("shift", "words"),
    [
        (0, r"the same as ours, within 0\.[5-9] s"),
        (-90, r"(89|90|91) s ahead of ours, within 0\.[5-9] s"),
        (90, r"(89|90|91) s behind ours, within 0\.[5-9] s"),
        (3600, r"(59|60) min behind ours, within 0\.[5-9] s"),
    ],
)
def test_clock_difference_is_reported(
    vendor: Simulator, scope: Scope, shift: int, words: str
) -> None:
    report = run_check(clock=shifted(shift))
    assert re.fullmatch(words, get_fact(report, "list_reservations", "clock"))
    assert re.fullmatch(words, get_fact(report, "fetch_token", "clock"))


def test_refused_signature_reports_the_clock_difference(vendor: Simulator, scope: Scope) -> None:
    """A wrong clock is one of the reasons for it."""
    vendor.faults.add("unauthorized", operation=LIST_RESERVATIONS)
    report = run_check(clock=shifted(-1200))
    assert get_fact(report, "list_reservations", "status") == "401"
    assert "20 min ahead of ours" in get_fact(report, "list_reservations", "clock")


def shifted(seconds: int) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


@cases(
    ("number_filter", "match"),
    [
        ("exact", "complete numbers only: a part of a number finds nothing"),
        ("partial", "also parts of a number"),
    ],
)
def test_probes_find_out_how_the_simulator_filters(
    scope: Scope, simulated: Any, number_filter: Any, match: str
) -> None:
    simulated(rows=600, behaviour=ListBehaviour(number_filter=number_filter))
    report = run_check(with_probes=True)
    assert get_fact(report, "probes", "number") == match
    assert get_fact(report, "probes", "range") == "appointTime"
    assert get_fact(report, "probes", "order") == "the same in two identical queries"
    assert get_fact(report, "probes", "page").startswith("100 rows; 200 are refused")


@cases(
    ("limit", "rows", "answer"),
    [
        (20, 600, "10 rows; 50 are refused"),
        (200, 600, "200 rows; 500 are refused"),
        (1000, 1500, "at least 1000 rows"),
        (1000, 30, "at least 1000 rows"),
    ],
)
def test_largest_page_of_the_simulator_is_found(
    scope: Scope, simulated: Any, limit: int, rows: int, answer: str
) -> None:
    simulated(rows=rows, behaviour=ListBehaviour(max_limit=limit))
    report = run_check(with_probes=True)
    words = get_fact(report, "probes", "page")
    assert words.startswith(answer)
    assert ("Lower ISALES_MAX_PAGE_SIZE to 10." in words) == (limit == 20)
    assert ("a silent cap would not show" in words) == (rows == 30)


def test_empty_list_leaves_the_questions_open(scope: Scope, simulated: Any) -> None:
    vendor = simulated(rows=0)
    report = run_check(with_probes=True)
    assert report.failed == ()
    assert count_calls(vendor)[LIST_RESERVATIONS] == 1
    assert get_fact(report, "list_reservations", "fields") == "no row to compare"
    for name in ("range", "number", "page", "order"):
        assert get_fact(report, "probes", name) == "Cannot tell: the list has too few rows."


def test_sentences_of_the_client_are_in_the_catalogue() -> None:
    """Errors of the vendor, for which the doctor uses the sentences of `problems`."""
    folder = Path(client.__file__).parent
    places = r"Unreachable|BadAnswer|TimedOut|message =|NO_TOKEN =|(?:C2|BEARER|OPEN):"
    known = re.compile(rf'(?:{places})\(?\s*"([A-Z][^"]+\.)"')
    found = {text for path in folder.rglob("*.py") for text in known.findall(path.read_text())}
    assert {"The answer is not valid JSON.", "The answer is not a JSON object."} <= found
    assert len(found) > 15
    assert found <= {message.id for message in catalog.collect_messages()}


def test_cause_of_a_failure_is_reported(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("no_data", operation=LIST_RESERVATIONS)
    vendor.faults.add("unauthorized", operation=LIST_RESULT_CODES)
    report = run_check()
    explanation = get_fact(report, "list_reservations", "explanation")
    assert "The answer holds no list of records." in explanation
    explanation = get_fact(report, "list_result_codes", "explanation")
    assert "Check the keys and the clock of this server." in explanation
