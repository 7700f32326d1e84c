"""The page of outbound tasks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone

from isales_proxy.outbound import queries, tasks
from isales_proxy.simulator import LIST_OUTBOUND_TASKS, READ_CALL_DATA, Simulator
from tests.support.call_data import TASK, scope_of, take
from tests.support.cases import cases

PAGE = "/vdn/88/tasks/"
FRAGMENT = {"HX-Request": "true"}
NAMED = "1106025109"


def idents(text: str) -> list[str]:
    return re.findall(r'data-service-id="([^"]+)"', text)


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    """A supervisor whose reservations contained the tasks' names."""
    client = as_role("supervisor")
    client.get("/vdn/88/reservations/", {"task": NAMED})
    vendor.calls.clear()
    return client


def test_page_lists_the_tasks(supervisor: Any, vendor: Simulator) -> None:
    text = supervisor.get(PAGE).content.decode()
    assert idents(text) == vendor.call_data.tasks(88)
    assert f'data-total-count="{len(idents(text))}"' in text
    assert 'data-source="live"' in text
    assert "Preempted task" in text
    assert f'href="{PAGE}{NAMED}/"' in text
    assert [call.operation for call in vendor.calls if "obs" in call.operation] == [
        LIST_OUTBOUND_TASKS
    ]


@cases("wanted", ["preempted", NAMED, NAMED[2:]])
def test_list_can_be_searched_by_name_and_id(supervisor: Any, wanted: str) -> None:
    answer = supervisor.get(PAGE, {"q": wanted}, headers=FRAGMENT)
    text = answer.content.decode()
    assert idents(text) == [NAMED]
    assert "<html" not in text
    assert 'data-hx-target="#headline"' in text
    assert "HX-Request" in answer.headers["Vary"]


def test_search_without_a_match_links_to_the_whole_list(supervisor: Any) -> None:
    text = supervisor.get(PAGE, {"q": "<b>none"}).content.decode()
    assert 'data-empty="no-match"' in text
    assert "<b>none" not in text
    assert f'href="{PAGE}"' in text


def test_list_shows_figures_of_call_data(supervisor: Any, people: Any) -> None:
    scope = scope_of(people)
    take(scope, count=3)
    take(scope, count=4)
    text = supervisor.get(PAGE).content.decode()
    row = text.partition(f'data-service-id="{TASK}"')[2].partition("</tr>")[0]
    assert re.search(r'data-field="batches"[^>]*>2<', row)
    assert re.search(r'data-field="rows"[^>]*>7<', row)


def test_unlisted_task_with_call_data_stays_in_the_list(
    supervisor: Any, vendor: Simulator, people: Any
) -> None:
    vendor.faults.add(
        "patch",
        operation=LIST_OUTBOUND_TASKS,
        fields={"resultData": {"taskData": [{"serviceId": "1"}, {"serviceId": "1"}, {}]}},
    )
    take(scope_of(people), count=1)
    text = supervisor.get(PAGE).content.decode()
    assert idents(text) == ["1", TASK]
    assert "not in the list" in text


def test_old_list_is_marked_as_old(
    supervisor: Any, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = idents(supervisor.get(PAGE).content.decode())
    monkeypatch.setattr(tasks, "FRESH_SECONDS", 0.0)
    vendor.faults.add("reset", operation=LIST_OUTBOUND_TASKS, times=None)
    answer = supervisor.get(PAGE)
    text = answer.content.decode()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert idents(text) == before
    assert 'data-source="stale"' in text
    assert 'data-problem="upstream-unavailable"' in text
    assert "last good answer" in text


@cases(
    ("kind", "status", "slug"),
    [
        ("reset", 503, "upstream-unavailable"),
        ("hold", 504, "upstream-unavailable"),
        ("throttle", 503, "busy"),
        ("unauthorized", 502, "credentials"),
        ("business", 502, "upstream-refused"),
        ("garbage", 502, "bad-answer"),
    ],
)
def test_page_without_a_list_shows_the_problem_and_taken_tasks(
    supervisor: Any, vendor: Simulator, people: Any, kind: str, status: int, slug: str
) -> None:
    take(scope_of(people), count=1)
    vendor.faults.add(kind, operation=LIST_OUTBOUND_TASKS, times=None)
    answer = supervisor.get(PAGE)
    vendor.faults.clear()
    assert answer.status_code == status
    text = answer.content.decode()
    assert f'data-problem="{slug}"' in text
    assert TASK in idents(text), "what was taken is reachable all the same"
    assert "not in the list" not in text, "nobody knows the list"


def test_first_batch_stored_while_the_list_is_read_does_not_fail_it(
    supervisor: Any, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.faults.add("reset", operation=LIST_OUTBOUND_TASKS, times=None)
    figures = iter([{}, {TASK: queries.TaskFigures(1, 2, timezone.now())}])
    monkeypatch.setattr(queries, "get_figures", lambda **_: next(figures, {}))
    assert supervisor.get(PAGE).status_code == 503


@cases(("role", "status"), [("agent", 403), ("auditor", 200), ("supervisor", 200), ("admin", 200)])
def test_role_decides_who_may_see_the_list(
    vendor: Simulator, as_role: Any, role: str, status: int
) -> None:
    assert as_role(role).get(PAGE).status_code == status


def test_reading_pages_takes_nothing(supervisor: Any, vendor: Simulator) -> None:
    for headers in ({}, FRAGMENT, {"Sec-Purpose": "prefetch"}):
        supervisor.get(PAGE, headers=headers)
        supervisor.head(PAGE, headers=headers)
    assert supervisor.post(PAGE).status_code == 405
    assert not [call for call in vendor.calls if call.operation == READ_CALL_DATA]


def test_list_needs_few_queries(
    supervisor: Any, people: Any, django_assert_max_num_queries: Any
) -> None:
    supervisor.get(PAGE)
    for task in (NAMED, TASK, "1106025110"):
        take(scope_of(people), count=1, task=task)
    with django_assert_max_num_queries(4):
        supervisor.get(PAGE)
