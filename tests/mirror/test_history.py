"""The history of a reservation: in the side panel and by the API, scoped and masked."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine

from isales_proxy import access
from isales_proxy.models import Access, AuditAction, AuditEvent, MirrorState, Role, User
from isales_proxy.reservations import mirror, services
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.mirror import mirror_rows
from tests.support.mirror_versions import minute

LIST = "/vdn/88/reservations/"
API = "/api/v1/vdns/88/reservations/"
FRAGMENT = {"HX-Request": "true"}
NUMBER = "13800138000"


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def row(appoint_id: str = "1", **fields: Any) -> dict[str, Any]:
    """A row in the vendor's spelling, due at 15:00 in the zone of the VDN."""
    return {
        "appointId": appoint_id,
        "callType": "1",
        "calledNo": NUMBER,
        "appointTime": ms(minute(60)),
        "createTime": ms(minute(-30)),
        "taskId": "T1",
        "taskName": "Renewal",
        "taskStatus": "2",
        "userAccount": "117",
        "userName": "Li Wei",
    } | fields


OWN = {"userAccount": "116", "userName": "Maria Silva"}


@pytest.fixture
def story(vendor: Simulator, people: dict[str, User]) -> Iterator[Simulator]:
    """Reservation 1: handed over from 117 to 116 and moved, then called, then gone."""
    moved = OWN | {"appointTime": ms(minute(90))}
    called = moved | {"beginTime": ms(minute(4)), "failCode": "00000"}
    for at, fields in ((2, {}), (3, moved), (5, called), (5.5, None)):
        rows = [row(**fields)] if fields is not None else []
        mirror_rows(88, [*rows, row("2")], at=minute(at))
    vendor.calls.clear()
    with time_machine.travel(minute(6), tick=False):
        yield vendor


def panel(client: Any, appoint_id: str, part: str = "", *, language: str = "en") -> str:
    answer = client.get(
        f"{LIST}{appoint_id}/{part}", headers=FRAGMENT | {"Accept-Language": language}
    )
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def changes(text: str) -> list[tuple[str, str]]:
    """Each change of the panel and its text."""
    parts = re.split(r'data-change="([\w-]+)"', text.partition("</ol>")[0])
    texts = (" ".join(re.sub(r"<[^>]*(>|$)", " ", part).split()) for part in parts[2::2])
    return list(zip(parts[1::2], (each.partition("> ")[2] for each in texts), strict=True))


@pytest.mark.django_db
def test_panel_shows_each_change_with_its_interval(story: Simulator, as_role: Any) -> None:
    found = changes(panel(as_role("supervisor"), "1"))
    assert [change for change, _text in found] == [
        "appeared", "moved", "handed-over", "result", "gone",
    ]  # fmt: skip
    appeared, moved, handed_over, result, gone = (text for _change, text in found)
    assert appeared == "Created 13:30 First seen before 14:02"
    assert "between 14:02 and 14:03" in moved
    assert re.search(r"15:00:00 → then .*15:30:00", moved)
    assert "Li Wei (117) → then Maria Silva (116)" in handed_over
    assert "between 14:03 and 14:05" in result
    assert "00000" in result
    # Both ends lie within one minute.
    assert "at 14:05" in gone
    assert LIST_RESERVATIONS not in {call.operation for call in story.calls}


@pytest.mark.django_db
def test_gone_reservation_keeps_its_contents_and_shows_when_it_went(
    story: Simulator, as_role: Any
) -> None:
    text = panel(as_role("supervisor"), "1")
    assert "Gone from CC-iSales at 14:05." in text
    assert 'data-state="gone"' in text
    assert NUMBER in text
    assert len(re.findall(r'<div[^>]* data-field="(\w+)"', text)) == 18


@pytest.mark.django_db
def test_agent_sees_a_handover_without_the_part_of_the_other_agent(
    story: Simulator, as_role: Any
) -> None:
    agent = as_role("agent")
    text = panel(agent, "1")
    assert [change for change, _text in changes(text)] == ["handed-over", "result", "gone"]
    assert "another agent → then Maria Silva (116)" in changes(text)[0][1]
    results = agent.get(f"{API}1/history/").json()["results"]
    assert results[0]["before"] is None
    assert results[0]["contents"]["user_account"] == "116"
    # Nothing of what it was with the other one: agent, time.
    for answer in (text, str(results)):
        assert not re.search(r"Li Wei|117|15:00|07:00", answer)
    # What is another agent's by now is not found.
    assert agent.get(f"{LIST}2/", headers=FRAGMENT).status_code == 404
    assert agent.get(f"{API}2/history/").status_code == 404


@pytest.mark.django_db
def test_history_is_masked_like_the_list_and_recorded(story: Simulator, as_role: Any) -> None:
    auditor = as_role("auditor")
    for text in (panel(auditor, "1"), auditor.get(f"{API}1/history/").content.decode()):
        assert NUMBER not in text
        assert "138••••8000" in text or "138\\u2022" in text
    assert not AuditEvent.objects.filter(action=AuditAction.NUMBER_VIEWED).exists()
    body = as_role("supervisor").get(f"{API}1/history/").json()
    assert body["results"][1]["before"]["called_no"] == NUMBER
    assert AuditEvent.objects.get(action=AuditAction.NUMBER_VIEWED).subject == "1"


@pytest.mark.django_db
def test_api_gives_intervals_and_fields_of_each_change(story: Simulator, as_role: Any) -> None:
    body = as_role("supervisor").get(f"{API}1/history/").json()
    assert (body["gone"], body["gone_by"]) == (True, "2026-05-15T06:05:30Z")
    found = [(each["change"], each["after"], each["fields"]) for each in body["results"]]
    assert found[:3] == [
        ("appeared", None, []),
        ("moved", "2026-05-15T06:02:00Z", ["appoint_time"]),
        ("handed-over", "2026-05-15T06:02:00Z", ["user_account"]),
    ]
    assert {"fail_code", "begin_time"} == set(found[3][2])
    assert as_role("supervisor").get(f"{API}nope/history/").status_code == 404


@pytest.mark.django_db
def test_panel_lists_the_number_over_all_tasks_and_says_that_it_was_reached(
    vendor: Simulator, people: dict[str, User], as_role: Any
) -> None:
    other_task = {"taskId": "T2", "taskName": "Survey"}
    reached = {"beginTime": ms(minute(2)), "failCode": "00000", "userAccount": "118"}
    many = [row(f"old-{number}", appointTime=ms(minute(-number))) for number in range(40)]
    rows = [
        row("1"),
        row("2", **other_task, userName=None, calledNo=f"+{NUMBER}") | reached,
        row("3", **OWN, calledNo="13800138001"),
        *(each | {"failCode": "00604"} for each in many),
        row("4", **other_task, appointTime=ms(minute(70))),
    ]
    mirror_rows(88, rows, at=minute(5))
    with time_machine.travel(minute(6), tick=False):
        text = panel(as_role("supervisor"), "1", "related/")
        assert LIST_RESERVATIONS not in {call.operation for call in vendor.calls}
        as_agent = as_role("agent")
        assert as_agent.get(f"{LIST}1/related/", headers=FRAGMENT).status_code == 404
        mine = panel(as_agent, "3", "related/")
    assert "Already reached 14:02 by 118 in another task." in text
    assert "2 open for this number" in text
    assert "Li Wei · Survey" in text
    assert "More in the list" in text
    assert "data-open-text" not in mine


@pytest.mark.django_db
def test_last_seen_revision_never_decreases(people: dict[str, User]) -> None:
    user, vdn = people["both"], Access.objects.filter(role=Role.AGENT).get().vdn
    MirrorState.objects.create(vdn=vdn, column="appointTime", revision=9)
    scope, other = (access.enter(user=each, vdn_id=vdn.pk) for each in (user, people["agent"]))
    assert mirror.get_state(scope)[1] is None
    for revision, seen in ((4, 4), (7, 7), (5, 7)):
        services.mark_seen(scope=scope, revision=revision)
        assert mirror.get_state(scope)[1] == seen
        assert mirror.get_state(other)[1] is None
