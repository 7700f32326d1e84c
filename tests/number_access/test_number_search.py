"""Number searches: complete numbers only without number access, audited, limited per day."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import cache, caches
from django.db import DatabaseError, OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isales_proxy.audit import services as audit
from isales_proxy.models import Access, AuditAction, AuditEvent, Role, User
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.conftest import AGENT_ACCOUNT
from tests.privacy.test_privacy import lines_formatter
from tests.support.call_data import ROW, TASK, scope_of, take
from tests.support.cases import cases
from tests.support.outbox import outbox_of, text_of
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"
API = "/api/v1/vdns/88/reservations/"
FRAGMENT = {"HX-Request": "true"}
NUMBER = "6591234567"


@pytest.fixture
def rows(vendor: Simulator) -> None:
    """Thirty rows of the number, and thirty of longer numbers that contain it."""
    mine = {"userAccount": AGENT_ACCOUNT, "taskId": "4711"}
    vendor.add_rows(
        88,
        [
            {"appointId": f"{kind}{place:03}", "calledNo": f"{NUMBER}{more}", **mine}
            for place in range(30)
            for kind, more in ((9, ""), (8, place))
        ],
    )


@cases("role", ["agent", "auditor"])
@cases("typed", [NUMBER, f"+{NUMBER}", "65 9123-4567"])
def test_complete_number_finds_and_counts_only_equal_rows(
    vendor: Simulator, rows: None, as_role: Any, role: str, typed: str
) -> None:
    # The simulator knows the number without a plus; what is typed is asked for as it is.
    client = as_role(role)
    text = text_of(client.get(LIST, {"called_no": typed}))
    found = rows_of(text)
    if typed.startswith("+"):
        assert found == []
        return
    assert 'data-total-count="30"' in text
    assert len(found) == 25
    assert {row["calledNo"] for row in found} == {"65•••••567"}
    assert {row["id"][0] for row in found} == {"9"}
    second = client.get(API, {"called_no": typed, "page": 2}).json()
    assert (second["count"], second["page"], len(second["results"])) == (30, 2, 5)
    assert second["complete"]


@cases("typed", ["6", "659123", "659123*", "#659123456", "1580000"])
def test_partial_number_finds_nothing_without_number_access(
    vendor: Simulator, rows: None, as_role: Any, typed: str
) -> None:
    client = as_role("agent")
    page, told = client.get(LIST, {"called_no": typed}), client.get(API, {"called_no": typed})
    if typed == "1580000":  # could be a whole one
        assert 'data-total-count="0"' in text_of(page)
        assert told.json()["count"] == 0
        return
    assert page.status_code == told.status_code == 422
    assert rows_of(text_of(page)) == []
    assert list(told.json()["errors"]) == ["called_no"]
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 0


def test_seven_digits_match_only_equal_numbers(vendor: Simulator, rows: None, as_role: Any) -> None:
    for part in (NUMBER[:7], NUMBER[:9], NUMBER[1:]):
        told = as_role("auditor").get(API, {"called_no": part}).json()
        assert (told["count"], told["results"]) == (0, [])


def test_too_many_matches_are_reported(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(88, [{"appointId": f"7{n:04}", "calledNo": f"{n}7654321"} for n in range(600)])
    client = as_role("auditor")
    text = text_of(client.get(LIST, {"called_no": "7654321"}))
    assert "data-cut-short" in text
    assert client.get(API, {"called_no": "7654321"}).json()["complete"] is False
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 5


def test_agent_search_finds_no_foreign_rows(vendor: Simulator, as_role: Any) -> None:
    vendor.add_rows(88, [{"appointId": "61", "calledNo": NUMBER, "userAccount": "121"}])
    assert as_role("agent").get(API, {"called_no": NUMBER}).json()["count"] == 0
    assert as_role("auditor").get(API, {"called_no": NUMBER}).json()["count"] == 1


def test_stored_rows_are_not_found_by_partial_numbers(
    vendor: Simulator, as_role: Any, people: Any
) -> None:
    row = ROW | {"phoneNumber": [f"+{NUMBER}", "4006123456"], "callData": f"mobile {NUMBER}"}
    vendor.call_data.put(88, TASK, [row])
    take(scope_of(people), count=1)
    outbox_of(people).write("u-1", phone_number=NUMBER)

    def found(address: str, wanted: str) -> bool:
        return 'data-total-count="1"' in text_of(as_role("auditor").get(address, {"q": wanted}))

    for address in (f"/vdn/88/tasks/{TASK}/", "/vdn/88/write-backs/"):
        for part in (NUMBER[:6], NUMBER[:8], NUMBER[2:], "591", "4006", "0002"):
            assert not found(address, part), part
        assert found(address, NUMBER)
        assert found(address, f"+{NUMBER}")
    assert found(f"/vdn/88/tasks/{TASK}/", "4006123456")
    assert found(f"/vdn/88/tasks/{TASK}/", "mobile")
    assert found(f"/vdn/88/tasks/{TASK}/", str(ROW["uniqueId"])[:6])
    supervisor = as_role("supervisor").get(f"/vdn/88/tasks/{TASK}/", {"q": NUMBER[:8]})
    assert 'data-total-count="1"' in text_of(supervisor)


def test_number_search_is_audited_once_per_interval(
    vendor: Simulator, rows: None, as_role: Any
) -> None:
    for role in ("supervisor", "agent"):
        client = as_role(role)
        client.get(LIST, {"called_no": NUMBER})
        client.get(LIST, {"called_no": NUMBER}, headers=FRAGMENT)
        client.get(API, {"called_no": NUMBER, "page": 2})
    events = list(AuditEvent.objects.filter(action=AuditAction.NUMBER_SEARCHED))
    assert [event.actor for event in events] == ["agent", "supervisor"]
    assert {event.number_key for event in events} == {audit.fingerprint_number(NUMBER)}


@cases(
    ("address", "question"),
    [
        (LIST, {"called_no": NUMBER, "page": "2", "size": "1"}),
        ("/vdn/88/write-backs/", {"q": NUMBER, "page": "2"}),
        ("/vdn/88/write-backs/", {"q": "65 9123-4567"}),
        (f"/vdn/88/tasks/{TASK}/", {"q": NUMBER, "page": "2"}),
        (f"/vdn/88/tasks/{TASK}/", {"q": "65 9123\u20134567"}),
    ],
)
def test_every_spelling_and_page_of_a_search_is_audited(
    vendor: Simulator, rows: None, as_role: Any, address: str, question: dict[str, str]
) -> None:
    assert as_role("supervisor").get(address, question).status_code == 200
    (event,) = AuditEvent.objects.filter(action=AuditAction.NUMBER_SEARCHED)
    assert event.number_key == audit.fingerprint_number(NUMBER)


def test_export_of_a_number_is_audited_with_its_fingerprint(
    vendor: Simulator, as_role: Any
) -> None:
    as_role("supervisor").get(f"/vdn/88/tasks/{TASK}/call-data/export.csv", {"q": NUMBER})
    (event,) = AuditEvent.objects.filter(action=AuditAction.CALL_DATA_EXPORTED)
    assert event.number_key == audit.fingerprint_number(NUMBER)


def test_number_view_in_the_panel_is_audited(vendor: Simulator, rows: None, as_role: Any) -> None:
    for role in ("supervisor", "agent"):
        client = as_role(role)
        client.get(LIST, {"task": "4711", "size": "100"})
        for _ in range(2):
            assert client.get(f"{LIST}9001/", headers=FRAGMENT).status_code == 200
    (event,) = AuditEvent.objects.filter(action=AuditAction.NUMBER_VIEWED)
    assert (event.actor, event.subject) == ("supervisor", "9001")
    assert event.number_key == audit.fingerprint_number(NUMBER)


def test_list_is_shown_while_the_audit_cannot_be_written(
    vendor: Simulator, rows: None, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_role("supervisor")
    with monkeypatch.context() as broken:

        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise DatabaseError(f"no {NUMBER}")

        broken.setattr("isales_proxy.number_access.services.audit.record", refuse)
        assert client.get(LIST, {"called_no": NUMBER}).status_code == 200
    client.get(LIST, {"called_no": NUMBER})
    assert AuditEvent.objects.filter(action=AuditAction.NUMBER_SEARCHED).count() == 1


def test_daily_search_limit_spans_all_searches(
    vendor: Simulator, rows: None, as_role: Any, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, number_searches_per_day=2)
    settings.TIME_ZONE = "Asia/Shanghai"
    first, second, third = NUMBER, "13800000001", "13800000002"
    task, outbox = f"/vdn/88/tasks/{TASK}/", "/vdn/88/write-backs/"
    with time_machine.travel(datetime(2030, 5, 31, 15, 50, tzinfo=UTC), tick=True) as clock:
        client = as_role("auditor")
        assert client.get(LIST, {"called_no": first}).status_code == 200
        assert client.get(outbox, {"q": second}).status_code == 200
        asked = len(vendor.calls.filter(LIST_RESERVATIONS))
        for address, question in (
            (LIST, {"called_no": third}),
            (outbox, {"q": third}),
            (task, {"q": third}),
            (f"{task}call-data/export.csv", {"q": third}),
            ("/vdn/88/audit/", {"number": third}),
            ("/vdn/88/audit/export.csv", {"number": third}),
        ):
            for headers in ({}, FRAGMENT):
                answer = client.get(address, question, headers=headers)
                assert answer.status_code == 429, address
                assert 0 < int(answer.headers["Retry-After"]) <= 600
                assert 'data-problem="searches-spent"' in text_of(answer)
                assert 'id="filters"' in text_of(answer)
                assert "number_key" not in text_of(answer)
        refused = client.get(API, {"called_no": third})
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["retry_after"] == int(refused.headers["Retry-After"])
        assert client.get("/api/v1/vdns/88/write-backs/", {"q": third}).status_code == 429
        assert len(vendor.calls.filter(LIST_RESERVATIONS)) == asked
        # What was searched for costs nothing more; other filters are free.
        assert client.get(task, {"q": f"+{first}"}).status_code == 200
        assert client.get(API, {"called_no": second}).status_code == 200
        assert client.get(LIST, {"task": "4711"}).status_code == 200
        assert as_role("supervisor").get(LIST, {"called_no": third}).status_code == 200
        (told,) = AuditEvent.objects.filter(action=AuditAction.SEARCHES_SPENT)
        assert (told.actor, told.detail, told.number_key) == ("auditor", {"limit": 2}, "")
        clock.shift(660)
        assert client.get(LIST, {"called_no": third}).status_code == 200


@pytest.mark.parametrize("digits", [3, 6])
def test_short_numbers_count_towards_the_limit(
    vendor: Simulator, as_role: Any, settings: Any, digits: int
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, number_searches_per_day=2)
    client, first = as_role("auditor"), 10 ** (digits - 1)
    asked = [str(first + place) for place in range(3)]
    statuses = [client.get("/vdn/88/audit/", {"number": each}).status_code for each in asked]
    assert statuses == [302, 302, 429]
    assert client.get(LIST, {"called_no": "13800000003"}).status_code == 429
    assert client.get("/vdn/88/audit/", {"number": asked[0]}).status_code == 302
    # The same number again is told once in a while, not each time.
    assert AuditEvent.objects.filter(action=AuditAction.AUDIT_READ).count() == 2


def test_searches_with_number_access_are_not_counted(
    vendor: Simulator, as_role: Any, people: dict[str, User], settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, number_searches_per_day=1)
    Access.objects.create(user=people["supervisor"], vdn_id=89, role=Role.AUDITOR)
    client = as_role("supervisor")
    for number in ("13800000001", "13800000002"):
        assert client.get(LIST, {"called_no": number}).status_code == 200
    there = "/vdn/89/reservations/"
    assert client.get(there, {"called_no": "13800000003"}).status_code == 200
    assert client.get(there, {"called_no": "13800000001"}).status_code == 429


def test_search_count_does_not_depend_on_the_cache(
    vendor: Simulator, rows: None, as_role: Any, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, number_searches_per_day=1)
    client = as_role("agent")
    for status, number in ((200, NUMBER), (200, NUMBER), (429, "13800000001")):
        cache.clear()
        assert client.get(API, {"called_no": number}).status_code == status
    assert AuditEvent.objects.filter(action=AuditAction.NUMBER_SEARCHED).count() == 1


def test_panel_does_not_confirm_a_number_beyond_the_limit(
    vendor: Simulator, rows: None, as_role: Any, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, number_searches_per_day=0)
    client = as_role("agent")
    for address in (f"{LIST}9001/", f"{LIST}9001/related/"):
        caches["rows"].clear()
        found = client.get(address, {"called_no": NUMBER, "size": "100"}, headers=FRAGMENT)
        caches["rows"].clear()
        other = client.get(address, {"called_no": "13800000001", "size": "100"}, headers=FRAGMENT)
        assert found.status_code == other.status_code


def test_search_is_refused_when_it_cannot_be_counted(
    vendor: Simulator, rows: None, as_role: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OperationalError(f"no {NUMBER}")

    monkeypatch.setattr("isales_proxy.number_access.services.audit.record", refuse)
    answer = as_role("agent").get(API, {"called_no": NUMBER})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert vendor.calls.filter(LIST_RESERVATIONS) == []
    assert NUMBER not in caplog.text


WANTED = st.from_regex(r"[0-9]{7,20}", fullmatch=True)
GARBAGE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@pytest.mark.thorough
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(WANTED, GARBAGE, st.sampled_from(["agent", "supervisor", "auditor", "admin"]))
def test_no_log_line_contains_a_searched_number(
    vendor: Simulator,
    as_role: Any,
    caplog: pytest.LogCaptureFixture,
    number: str,
    garbage: str,
    role: str,
) -> None:
    client = as_role(role)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        for typed in (number, f"+{number[:3]} {number[3:]}", f"{garbage}{number}"):
            client.get(LIST, {"called_no": typed, "task": typed[:60], "begin": typed})
            client.get(API, {"called_no": typed, "agent": typed[:60]})
            client.get(f"/vdn/88/tasks/{TASK}/", {"q": typed[:60]})
            client.get("/vdn/88/write-backs/", {"q": typed[:60]})
            client.post(f"{LIST}1/reveal/", {"reason": typed})
            form = {"unique_id": "u", "service_id": TASK, "phone_number": typed}
            client.post("/vdn/88/write-backs/new/", form)
    assert caplog.records
    lines = lines_formatter()
    told = "\n".join(lines.format(record) for record in caplog.records)
    assert number not in told
