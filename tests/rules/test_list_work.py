"""The work of a list is pinned, not its time: queries and Python calls of a fragment of 50 rows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from isales_proxy.simulator import Simulator
from tests.support.mirror import mirror_rows
from tests.support.mirror_lists import make_rows

LIST = "/vdn/88/reservations/"
MOST_QUERIES = 2
# Counted with a whole vendor call: 5,430 and 1,230. It was 80,000 once.
MOST_CALLS = 5_700
# Of the complete list: 7,600.
MOST_MIRROR_CALLS = 8_000
MOST_CALLS_UNCHANGED = 1_300


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any, settings: Any) -> Client:
    client: Client = as_role("supervisor")
    fetch(client)
    return client


def fetch(client: Client, tab: str = "", **headers: str) -> Any:
    question = {"size": "50"} | ({"tab": tab} if tab else {})
    return client.get(LIST, question, headers={"HX-Request": "true", **headers})


def count_calls(work: Callable[[], Any]) -> int:
    """Count calls of Python functions in this thread."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_fragment_of_fifty_rows_costs_bounded_work(
    supervisor: Client, settings: Any, django_assert_max_num_queries: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, page_cache_seconds=0)
    fetch(supervisor)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert fetch(supervisor).content.count(b"data-appoint-id") == 50
    assert count_calls(lambda: fetch(supervisor)) < MOST_CALLS


def test_fragment_of_the_mirror_costs_bounded_work(clock: Any, supervisor: Client) -> None:
    mirror_rows(88, make_rows(51, 400, timezone.now()))
    fetch(supervisor, tab="all")
    assert fetch(supervisor, tab="all").content.count(b"data-appoint-id") == 50
    assert count_calls(lambda: fetch(supervisor, tab="all")) < MOST_MIRROR_CALLS


def test_unchanged_list_is_answered_by_304_without_rendering(
    clock: Any, supervisor: Client, settings: Any
) -> None:
    shown = fetch(supervisor)
    asked = {"If-None-Match": shown.headers["ETag"]}
    again = fetch(supervisor, **asked)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-As-Of"]
    assert count_calls(lambda: fetch(supervisor, **asked)) < MOST_CALLS_UNCHANGED
    clock.shift(60)
    assert fetch(supervisor, **asked).status_code == 200


def test_shared_markup_stays_within_scope_and_language(
    vendor: Simulator, as_role: Any, clock: Any
) -> None:
    """Asked three times, since the third answer is shared markup."""
    shown = {
        (role, language): [fetch(as_role(role), **{"Accept-Language": language}) for _ in range(3)][
            -1
        ].content
        for role in ("supervisor", "agent")
        for language in ("en", "zh-hans")
    }
    assert len(set(shown.values())) == 4
