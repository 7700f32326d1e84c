"""Outbound tasks: the list, names from reservations, and an unavailable vendor."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import caches
from django.http import QueryDict
from django.utils import timezone

from isales_proxy import access
from isales_proxy.access import PermissionMissing, Scope
from isales_proxy.client.errors import Refused, Unreachable
from isales_proxy.models import TaskName
from isales_proxy.outbound import directory, tasks
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.simulator import LIST_OUTBOUND_TASKS, LIST_RESERVATIONS, Simulator
from tests.support.cases import cases

RESERVATIONS = "/vdn/88/reservations/"
NAMED = "1106025109"
NAME = "Preempted task"


@pytest.fixture
def scope(people: dict[str, Any]) -> Scope:
    return access.enter(user=people["supervisor"], vdn_id=88)


def restart() -> None:
    """Clear the memory, as in a new process."""
    for room in ("default", "answers", "rows"):
        caches[room].clear()


def asked(vendor: Simulator) -> int:
    return sum(call.operation == LIST_OUTBOUND_TASKS for call in vendor.calls)


def test_task_is_listed_once(vendor: Simulator, scope: Scope) -> None:
    found = tasks.list_tasks(scope=scope)
    idents = [task.service_id for task in found.rows]
    assert found.source == "live"
    assert found.as_of.tzinfo is not None
    assert idents
    assert len(idents) == len(set(idents))


def test_request_body_is_as_documented(vendor: Simulator, scope: Scope) -> None:
    scope.vdn.cc_id = 1
    tasks.list_tasks(scope=scope)
    (call,) = [call for call in vendor.calls if call.operation == LIST_OUTBOUND_TASKS]
    assert call.body == {"subCCNo": "1", "vdnId": "88"}


def test_readers_share_an_answer(vendor: Simulator, scope: Scope) -> None:
    first = tasks.list_tasks(scope=scope)
    again = tasks.list_tasks(scope=scope)
    assert asked(vendor) == 1
    assert again.source == "cache"
    assert again.rows == first.rows


def test_names_are_learnt_from_reservations(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    assert not any(task.name for task in tasks.list_tasks(scope=scope).rows)
    as_role("supervisor").get(RESERVATIONS, {"task": NAMED})
    told = {task.service_id: task.name for task in tasks.list_tasks(scope=scope).rows}
    assert told[NAMED] == NAME
    assert tasks.get_name(scope=scope, service_id=NAMED) == NAME


def test_names_survive_a_restart(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    as_role("supervisor").get(RESERVATIONS, {"task": NAMED})
    restart()
    assert tasks.get_name(scope=scope, service_id=NAMED) == NAME
    assert directory.get_known_names(scope=scope).agents == {}


def test_known_name_is_not_stored_again(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    client = as_role("supervisor")
    client.get(RESERVATIONS, {"task": NAMED})
    first = TaskName.objects.get(vdn=88, service_id=NAMED).seen_at
    restart()
    client.get(RESERVATIONS, {"task": NAMED})
    assert TaskName.objects.get(vdn=88, service_id=NAMED).seen_at == first


def test_new_name_replaces_the_old_one(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    TaskName.objects.create(vdn_id=88, service_id=NAMED, name="Old", seen_at=timezone.now())
    as_role("supervisor").get(RESERVATIONS, {"task": NAMED})
    assert TaskName.objects.get(vdn=88, service_id=NAMED).name == NAME


def test_row_without_a_name_removes_none(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    TaskName.objects.create(vdn_id=88, service_id="41", name="Kept", seen_at=timezone.now())
    vendor.add_rows(88, [{"appointId": "a1", "taskId": "41", "taskName": None}])
    as_role("supervisor").get(RESERVATIONS, {"task": "41"})
    assert tasks.get_name(scope=scope, service_id="41") == "Kept"


def test_names_learnt_from_an_agent_stay_with_the_agent(
    vendor: Simulator, as_role: Any, scope: Scope
) -> None:
    vendor.add_rows(
        88, [{"appointId": "a1", "userAccount": "116", "taskId": "41", "taskName": "Secret"}]
    )
    as_role("agent").get(RESERVATIONS, {"task": "41"})
    assert not TaskName.objects.exists()
    assert "41" not in tasks.get_known_tasks(scope=scope)


def test_agent_knows_only_tasks_of_own_rows(vendor: Simulator, people: Any, as_role: Any) -> None:
    supervisor = access.enter(user=people["supervisor"], vdn_id=88)
    agent = access.enter(user=people["agent"], vdn_id=88)
    vendor.add_rows(
        88, [{"appointId": "a1", "userAccount": "999", "taskId": "41", "taskName": "Others"}]
    )
    as_role("supervisor").get(RESERVATIONS, {"task": "41"})
    tasks.list_tasks(scope=supervisor)
    assert "41" in tasks.get_known_tasks(scope=supervisor)
    assert tasks.get_known_tasks(scope=agent) == {}
    assert "Others" not in as_role("agent").get(RESERVATIONS).content.decode()


def test_agent_cannot_see_the_list(vendor: Simulator, people: Any) -> None:
    with pytest.raises(PermissionMissing):
        tasks.list_tasks(scope=access.enter(user=people["agent"], vdn_id=88))
    assert asked(vendor) == 0


@pytest.mark.parametrize("kind", ["reset", "throttle", "status"])
def test_last_list_is_shown_while_the_vendor_is_away(
    vendor: Simulator, scope: Scope, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    first = tasks.list_tasks(scope=scope)
    monkeypatch.setattr(tasks, "FRESH_SECONDS", 0.0)
    vendor.faults.add(kind, operation=LIST_OUTBOUND_TASKS, times=None)
    found = tasks.list_tasks(scope=scope)
    assert found.source == "stale"
    assert found.error is not None
    assert (found.rows, found.as_of) == (first.rows, first.as_of)


def test_error_is_raised_without_an_older_list(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("reset", operation=LIST_OUTBOUND_TASKS, times=None)
    with pytest.raises(Unreachable):
        tasks.list_tasks(scope=scope)


def test_refusal_is_not_answered_with_the_last_list(
    vendor: Simulator, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.list_tasks(scope=scope)
    monkeypatch.setattr(tasks, "FRESH_SECONDS", 0.0)
    vendor.faults.add("business", operation=LIST_OUTBOUND_TASKS, times=None)
    with pytest.raises(Refused):
        tasks.list_tasks(scope=scope)


def test_filter_offers_all_known_tasks(vendor: Simulator, as_role: Any, scope: Scope) -> None:
    client = as_role("supervisor")
    client.get(RESERVATIONS, {"task": NAMED})
    unnamed = tasks.list_tasks(scope=scope).rows[-1].service_id
    vendor.calls.clear()
    text = client.get(RESERVATIONS).content.decode()
    assert f'<option value="{NAMED}">{NAME}</option>' in text
    assert f'<option value="{unnamed}">{unnamed}</option>' in text
    assert asked(vendor) == 0


@cases(
    ("typed", "expected"),
    [
        (NAME, NAMED),
        (NAME.upper(), NAMED),
        (NAMED, NAMED),
        ("nobodys", "nobodys"),
        ("Like an ID", "71"),
        ("71", "71"),
    ],
)
def test_task_can_be_given_by_name(scope: Scope, typed: str, expected: str) -> None:
    for ident, name in {
        NAMED: NAME,
        "51": "Twice",
        "52": "Twice",
        "71": "Like an ID",
        "72": "71",
    }.items():
        TaskName.objects.create(vdn_id=88, service_id=ident, name=name, seen_at=timezone.now())
    form = ReservationFilter(QueryDict(urlencode({"task": typed})), scope=scope)
    assert form.is_valid()
    assert form.query().task_id == expected


def test_unknown_task_name_is_refused_without_a_call(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("supervisor").get(RESERVATIONS, {"task": "Nobody's"})
    assert answer.status_code == 422
    assert "Unknown task name" in answer.content.decode()
    assert asked(vendor) == 0


def test_task_name_is_sent_as_its_id(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    client.get(RESERVATIONS, {"task": NAMED})
    vendor.calls.clear()
    client.get(RESERVATIONS, {"task": NAME, "size": "10"})
    (call,) = [call for call in vendor.calls if call.operation == LIST_RESERVATIONS]
    assert isinstance(call.body, dict)
    assert call.body["taskId"] == NAMED


@cases("ident", ["", ".", "..", "a/b", "a\\b", "a\nb", " a", "x" * 65, "a\u200b"])
def test_invalid_text_is_no_task_id(ident: str) -> None:
    assert not tasks.is_task_id(ident)


@cases("ident", ["1251250797", "0000451207", "fadsfa", "任务 1", "a.b"])
def test_valid_text_is_a_task_id(ident: str) -> None:
    assert tasks.is_task_id(ident)
