"""Reveals: reason, duration, daily budget, and the audit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError
from django.test import Client
from time_machine import Traveller

from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, AuditEvent
from isales_proxy.simulator import Simulator
from tests.conftest import AGENT_ACCOUNT
from tests.support.cases import cases
from tests.support.outbox import outbox_of, text_of

LIST = "/vdn/88/reservations/"
FRAGMENT = {"HX-Request": "true"}
NUMBER, CALLER = "6591234567", "710002"
REASON = {"reason": "The customer asked"}


@pytest.fixture
def agent(vendor: Simulator, as_role: Any) -> Any:
    """An agent with reservation 41 of their own; 42 is another agent's."""
    vendor.add_rows(
        88,
        [
            {
                "appointId": "41",
                "calledNo": NUMBER,
                "callerNo": CALLER,
                "userAccount": AGENT_ACCOUNT,
                "taskId": "4711",
            },
            {"appointId": "42", "calledNo": NUMBER, "userAccount": "121", "taskId": "4711"},
        ],
    )
    as_role("supervisor").get(LIST, {"task": "4711"})
    client = as_role("agent")
    client.get(LIST, {"task": "4711"})
    return client


def reveal(client: Any, ident: str = "41", data: Any = REASON, **more: Any) -> Any:
    return client.post(f"{LIST}{ident}/reveal/", data, headers=FRAGMENT, **more)


def reveal_by_api(client: Any, ident: str = "41", data: Any = REASON, vdn: int = 88) -> Any:
    address = f"/api/v1/vdns/{vdn}/reservations/{ident}/reveal/"
    return client.post(address, data, content_type="application/json")


def list_events(action: AuditAction) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action))


def test_panel_reveals_a_number_after_a_reason(agent: Any) -> None:
    panel = text_of(agent.get(f"{LIST}41/", headers=FRAGMENT))
    assert NUMBER not in panel
    assert CALLER not in panel
    (address,) = re.findall(r'<form method="post" action="([^"]+)"', panel)
    assert address == f"{LIST}41/reveal/"
    answer = agent.post(address, REASON, headers=FRAGMENT)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    shown = text_of(answer)
    assert "<html" not in shown
    assert NUMBER in shown
    assert CALLER in shown
    assert 'data-hide-after="30"' in shown
    assert len(answer.content) < 6000
    assert NUMBER not in text_of(agent.get(f"{LIST}41/", headers=FRAGMENT))


def test_reveal_is_audited_with_its_reason_without_the_number(agent: Any) -> None:
    reveal(agent, data={"reason": f"  calling {NUMBER} back  "})
    (event,) = list_events(AuditAction.NUMBER_REVEALED)
    assert (event.actor, event.subject, event.vdn_id) == ("agent", "41", 88)
    assert event.number_key == audit.fingerprint_number(NUMBER)
    assert event.reason.startswith("calling 65")
    assert event.reason.endswith("back")
    assert NUMBER not in f"{event.reason}{event.detail}"


def test_reveal_without_javascript_is_a_page_that_redirects_after_thirty_seconds(
    agent: Any,
) -> None:
    answer = agent.post(f"{LIST}41/reveal/?task=4711", REASON)
    text = text_of(answer)
    assert answer.status_code == 200
    assert "<html" in text
    assert NUMBER in text
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Refresh"] == f"30;url={LIST}41/?task=4711"


@cases("reason", ["", "ab", "  a  ", "x" * 301, "two\nlines", "a\x00bc"])
def test_reason_out_of_bounds_reveals_nothing(agent: Any, reason: str) -> None:
    answer = reveal(agent, data={"reason": reason})
    assert answer.status_code == 422
    assert NUMBER not in text_of(answer)
    assert 'aria-invalid="true"' in text_of(answer)
    assert AuditEvent.objects.filter(action__startswith="number.re").count() == 0


@cases(
    ("role", "ident", "status"),
    [("auditor", "41", 403), ("supervisor", "41", 403), ("agent", "42", 404), ("agent", "1", 404)],
)
def test_reveal_needs_permission_and_scope(
    agent: Any, as_role: Any, role: str, ident: str, status: int
) -> None:
    client = as_role(role)
    for answer in (reveal(client, ident), reveal_by_api(client, ident)):
        assert answer.status_code == status
        assert NUMBER not in text_of(answer)
    assert list_events(AuditAction.NUMBER_REVEALED) == []


def test_reveal_in_foreign_vdn_is_404(agent: Any) -> None:
    assert agent.post("/vdn/89/reservations/41/reveal/", REASON).status_code == 404
    assert reveal_by_api(agent, vdn=89).status_code == 404


def test_reveal_needs_a_csrf_token(agent: Any, people: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people["agent"])
    assert reveal(strict).status_code == 403
    assert reveal_by_api(strict).status_code == 403
    assert agent.get(f"{LIST}41/reveal/").status_code == 405


def test_spent_budget_refuses_reveals_until_the_next_day(
    agent: Any, as_role: Any, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, reveals_per_day=2)
    # In Shanghai, where the VDN is, the next day has begun long ago.
    settings.TIME_ZONE = "America/Lima"
    with time_machine.travel(datetime(2030, 6, 1, 4, 50, tzinfo=UTC), tick=True) as clock:
        agent = as_role("agent")
        agent.get(LIST, {"task": "4711"})
        assert [reveal(agent).status_code for _ in range(2)] == [200, 200]
        spent = reveal(agent)
        assert spent.status_code == 429
        assert 0 < int(spent.headers["Retry-After"]) <= 600
        assert NUMBER not in text_of(spent)
        assert "data-withheld" in text_of(spent)
        assert [event.reason for event in list_events(AuditAction.NUMBER_WITHHELD)] == [
            REASON["reason"]
        ]
        clock.shift(660)
        assert reveal(agent).status_code == 200


def test_repeated_refusals_are_counted_in_one_event(
    clock: Traveller, agent: Any, as_role: Any, settings: Any
) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, reveals_per_day=0)
    for _ in range(12):
        assert reveal(agent).status_code == 429
    last, first = list_events(AuditAction.NUMBER_WITHHELD)
    if first.detail:
        last, first = first, last
    assert (first.detail, first.reason, bool(first.number_key)) == ({}, REASON["reason"], True)
    assert (last.detail, last.number_key) == ({"times": 10}, "")


def test_nothing_is_revealed_while_the_audit_cannot_be_written(
    agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr("isales_proxy.reveals.services.audit.record", refuse)
    answer = reveal(agent)
    assert answer.status_code == 503
    assert NUMBER not in text_of(answer)
    assert reveal_by_api(agent).status_code == 503


def test_row_without_a_number_reveals_nothing(agent: Any, vendor: Simulator) -> None:
    vendor.add_rows(88, [{"appointId": "43", "userAccount": AGENT_ACCOUNT, "taskId": "4712"}])
    agent.get(LIST, {"task": "4712"})
    assert "data-reveal" not in text_of(agent.get(f"{LIST}43/", headers=FRAGMENT))
    assert reveal(agent, "43").status_code == 404


def test_api_returns_revealed_numbers_as_json(agent: Any, settings: Any) -> None:
    answer = reveal_by_api(agent)
    assert answer.json() == {"called_no": NUMBER, "caller_no": CALLER, "seconds": 30}
    assert "no-store" in answer.headers["Cache-Control"]
    for body in ({}, {"reason": "ab"}, {"reason": 5}, {"reason": "good", "more": 1}, []):
        refused = reveal_by_api(agent, data=body)
        assert refused.status_code == 422, body
        assert refused.headers["Content-Type"] == "application/problem+json"
    settings.PRIVACY = replace(settings.PRIVACY, reveals_per_day=1)
    spent = reveal_by_api(agent)
    assert spent.status_code == 429
    assert int(spent.headers["Retry-After"]) == spent.json()["retry_after"]
    assert NUMBER not in spent.content.decode()


def test_supervisor_reveals_numbers_of_call_data_and_write_backs(
    agent: Any, vendor: Simulator, as_role: Any, people: Any, settings: Any
) -> None:
    from isales_proxy.models import CallDatum
    from tests.support.call_data import ROW, TASK, scope_of, take

    vendor.call_data.put(88, TASK, [ROW])
    take(scope_of(people), count=1)
    datum = CallDatum.objects.get()
    written = outbox_of(people).write(phone_number=NUMBER)
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    client = as_role("supervisor")
    page = text_of(client.get(f"/vdn/88/tasks/{TASK}/"))
    detail = text_of(client.get(f"/vdn/88/write-backs/{written.pk}/"))
    assert NUMBER not in page + detail
    for text, address in (
        (page, f"/vdn/88/call-data/{datum.pk}/reveal/"),
        (detail, f"/vdn/88/write-backs/{written.pk}/reveal/"),
    ):
        assert f'action="{address}"' in text
        answer = client.post(address, REASON, headers=FRAGMENT)
        assert answer.status_code == 200
        assert NUMBER in text_of(answer)
        assert as_role("auditor").post(address, REASON).status_code == 403
    # Each of the row's two numbers counts, and that of the write-back.
    assert len(list_events(AuditAction.NUMBER_REVEALED)) == 3
