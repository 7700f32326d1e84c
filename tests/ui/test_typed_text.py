"""Typed and pasted text: cleaned, resolved to IDs, or refused with a message at its field."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.utils.html import escape

from isales_proxy.simulator import LIST_OUTBOUND_TASKS, LIST_RESERVATIONS, Simulator
from tests.support.cases import cases

LIST = "/vdn/88/reservations/"
API = "/api/v1/vdns/88/reservations/"
FRAGMENT = {"HX-Request": "true"}
SOFIA = {"userAccount": "sofia.ramos", "userName": "Sofia Ramos"}
NAMED = {"taskId": "4711", "taskName": "Spring renewal"}
OTHER = {"taskId": "4712", "taskName": "Autumn renewal"}


@pytest.fixture
def supervisor(as_role: Any, vendor: Simulator) -> Any:
    vendor.add_rows(
        88,
        [
            {"appointId": "901", "calledNo": "990011", **SOFIA, **NAMED},
            {"appointId": "902", "calledNo": "990012", **SOFIA, **OTHER},
            {"appointId": "903", "calledNo": "990013", "userAccount": "7101", "userName": "李强"},
            {"appointId": "904", "calledNo": "990014", "userAccount": "7102", "userName": "李敏"},
        ],
    )
    client = as_role("supervisor")
    client.get(LIST, {"called_no": "9900"})
    vendor.calls.clear()
    return client


def last(vendor: Simulator) -> Any:
    return vendor.calls.filter(LIST_RESERVATIONS)[-1].body


@cases(
    ("path", "query", "field", "sent"),
    [
        (path, *each)
        for each in [
            ({"called_no": "\u202d９９００\u200b11\u202c"}, "calledNo", "990011"),
            ({"agent": "sofia\u200b.ramos\u00a0"}, "userAccountList", ["sofia.ramos"]),
            ({"agent": "７１０１"}, "userAccountList", ["7101"]),
            ({"task": "４７１１\ufeff"}, "taskId", "4711"),
            ({"agent": "Sofia Ramos"}, "userAccountList", ["sofia.ramos"]),
            ({"agent": "sofia ramos"}, "userAccountList", ["sofia.ramos"]),
            ({"agent": "Ramos"}, "userAccountList", ["sofia.ramos"]),
            ({"agent": "李强"}, "userAccountList", ["7101"]),
            ({"agent": "7101 7102"}, "userAccountList", ["7101", "7102"]),
            ({"agent": "7101,强"}, "userAccountList", ["7101"]),
            ({"task": "spring renewal"}, "taskId", "4711"),
            ({"task": "Spring"}, "taskId", "4711"),
        ]
        for path in [LIST, API]
    ],
)
def test_typed_text_is_normalised_before_it_is_sent(
    supervisor: Any, vendor: Simulator, path: str, query: Any, field: str, sent: Any
) -> None:
    # Names are known from rows that were seen.
    supervisor.get(LIST, {"called_no": "9900"})
    assert supervisor.get(path, query).status_code == 200
    assert last(vendor)[field] == sent


@cases(
    ("field", "text", "idents"),
    [("agent", "李", ["7102", "7101"]), ("task", "renewal", ["4712", "4711"])],
)
def test_several_matches_of_a_name_are_offered_at_the_field(
    supervisor: Any, vendor: Simulator, field: str, text: str, idents: list[str]
) -> None:
    answer = supervisor.get(LIST, {field: text, "called_no": "9900"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'aria-describedby="{field}-error"' in page
    assert f'value="{text}"' in page
    for ident in idents:
        assert f"?called_no=9900&amp;{field}={ident}" in page
    api = supervisor.get(API, {field: text})
    assert api.status_code == 422
    assert all(ident in api.json()["errors"][field][0] for ident in idents)
    assert vendor.calls.filter(LIST_RESERVATIONS) == []


def test_pushed_url_has_the_id_of_a_typed_name(supervisor: Any) -> None:
    for query, meant in (
        ({"agent": "Ramos"}, "agent=sofia.ramos"),
        ({"task": "Spring"}, "task=4711"),
    ):
        asked = {"called_no": "9900", **query}
        answer = supervisor.get(LIST, asked, headers=FRAGMENT)
        assert answer.headers["HX-Push-Url"] == f"{LIST}?called_no=9900&{meant}"
    plain = supervisor.get(LIST, {"agent": "7101,7102", "task": "4711"}, headers=FRAGMENT)
    assert "HX-Push-Url" not in plain.headers


@cases("query", [{"agent": "nobody.at.all"}, {"task": "zzz"}])
def test_unknown_name_does_not_claim_an_answer_of_the_vendor(supervisor: Any, query: Any) -> None:
    page = supervisor.get(LIST, query).content.decode()
    assert 'data-empty="no-match"' in page
    assert "no row has it so far" in page
    assert 'class="source"' not in page


def test_refused_search_while_typing_keeps_the_rows(supervisor: Any) -> None:
    typing = FRAGMENT | {"X-Callboard-Typing": "1"}
    for query in ({"task": "hui fang"}, {"task": "zzz"}, {"agent": "李"}):
        answer = supervisor.get(LIST, query, headers=typing)
        page = answer.content.decode()
        assert 'id="results"' not in page
        assert "-error" in page
        assert answer.headers["HX-Push-Url"] == "false"
        # When it is submitted, the same search has results of its own.
        assert 'id="results"' in supervisor.get(LIST, query, headers=FRAGMENT).content.decode()
    kept = supervisor.get(LIST, {"task": "hui fang", "page": "0"}, headers=typing)
    assert 'id="results"' in kept.content.decode()


PAGED = (
    LIST,
    "/vdn/88/write-backs/",
    "/vdn/88/tasks/1106025109/",
    "/vdn/88/tasks/1106025109/batches/",
    "/vdn/88/result-codes/history/",
)


@cases(("path", "name"), [(path, name) for name in ["page", "size"] for path in PAGED])
def test_invalid_parameter_without_a_field_is_named(supervisor: Any, path: str, name: str) -> None:
    answer = supervisor.get(path, {name: "0", "q": "100", "called_no": "9900"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'role="alert" data-empty="bad-filter" data-parameters="{name}"' in page
    assert "First page" in page
    assert "Clear all filters" not in page
    assert 'aria-invalid="true"' not in page
    if name == "size":
        assert "from 1 to 100." in page


@cases(
    "path",
    [
        API,
        "/api/v1/vdns/88/write-backs/",
        "/api/v1/vdns/88/call-data/",
        "/api/v1/vdns/88/result-codes/history/",
    ],
)
def test_reported_maximum_page_size_is_applied(supervisor: Any, path: str) -> None:
    answer = supervisor.get(path, {"size": "0"})
    assert answer.status_code == 422
    assert answer.json()["errors"]["size"] == ["Must be a whole number from 1 to 100."]
    assert supervisor.get(path, {"size": "101"}).json()["size"] == 100


@cases("path", PAGED)
def test_reduced_page_size_is_reported(supervisor: Any, path: str) -> None:
    assert "data-size-cut" in supervisor.get(path, {"size": "101"}).content.decode()
    assert "data-size-cut" not in supervisor.get(path, {"size": "100"}).content.decode()


def test_field_of_a_time_with_seconds_accepts_seconds(supervisor: Any) -> None:
    page = supervisor.get(LIST, {"begin": "2025-05-31T10:00:30", "end": "2099-12-31T23:59:59"})
    assert page.status_code == 200
    text = page.content.decode()
    assert text.count('step="1"') == 2
    assert 'max="2099-12-31T23:59:59"' in text
    assert 'step="1"' not in supervisor.get(LIST, {"begin": "2025-05-31T10:00"}).content.decode()


@cases("path", [LIST, "/vdn/88/write-backs/", "/vdn/88/tasks/"])
def test_maximum_length_of_a_field_is_that_of_the_server(supervisor: Any, path: str) -> None:
    name = "q" if path != LIST else "task"
    assert f'name="{name}"' in (page := supervisor.get(path).content.decode())
    assert page.partition(f'name="{name}"')[2].partition(">")[0].count('maxlength="64"') == 1
    assert supervisor.get(path, {name: "x" * 64}).status_code == 200
    assert supervisor.get(path, {name: "x" * 65}).status_code == 422


@cases(
    ("name", "message"),
    [
        ("Mars/Base", "“Mars/Base” is no time zone"),
        ("<script>", "“&lt;script&gt;” is no time zone"),
        ("UTC+8", "“UTC+8” is an offset. Give a place instead, for example Asia/Shanghai."),
        ("+09:00", "Asia/Tokyo"),
    ],
)
def test_invalid_zone_is_reported_on_the_same_page(
    supervisor: Any, name: str, message: str
) -> None:
    here = f"{LIST}?called_no=9900"
    answer = supervisor.post("/preferences/zone/", {"time_zone": name, "next": here}, follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == here
    assert 'id="zone-error"' in page
    assert message in page
    assert f'value="{escape(name)}"' in page
    assert 'id="zone-error"' not in supervisor.get(here).content.decode()


def test_pasted_zone_is_cleaned(supervisor: Any, people: Any) -> None:
    supervisor.post("/preferences/zone/", {"time_zone": "\u200bAsia/Tokyo\u00a0", "next": LIST})
    people["supervisor"].refresh_from_db()
    assert people["supervisor"].time_zone == "Asia/Tokyo"


def test_unlisted_task_offers_no_call_data(supervisor: Any, vendor: Simulator) -> None:
    caches["default"].clear()
    page = supervisor.get("/vdn/88/tasks/999/").content.decode()
    assert "data-not-listed" in page
    assert "take-form" not in page
    assert len(vendor.calls.filter(LIST_OUTBOUND_TASKS)) == 1
    listed = supervisor.get("/vdn/88/tasks/1106025109/").content.decode()
    assert "take-form" in listed
    assert "data-not-listed" not in listed
