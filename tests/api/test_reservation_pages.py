"""All pages of a list by their `next` alone, and answers that have not changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from isales_proxy.reservations import mirror
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.mirror import mirror_rows
from tests.support.mirror_lists import NOON, make_rows

LIST = "/api/v1/vdns/88/reservations/"


def walk(client: Client, step: str = "next", **question: Any) -> list[dict[str, Any]]:
    """Return all pages, following the links from the first one."""
    answer = client.get(LIST, question)
    pages = []
    while True:
        assert answer.status_code == 200, answer.content
        pages.append(answer.json())
        address = pages[-1][step]
        if address is None:
            return pages
        assert address.startswith(f"http://testserver{LIST}?")
        answer = client.get(address)


def ids(pages: list[dict[str, Any]]) -> list[str]:
    return [row["appoint_id"] for page in pages for row in page["results"]]


def test_next_links_lead_through_every_page_of_the_live_list(
    vendor: Simulator, as_role: Any
) -> None:
    client = as_role("supervisor")
    pages = walk(client, size="100", task="", agent=["116", "117", "118"])
    assert len(set(ids(pages))) == len(ids(pages)) == pages[0]["count"] > 100
    assert [page["page"] for page in pages] == list(range(1, len(pages) + 1))
    assert {page["source"] for page in pages} == {"live"}
    assert pages[0]["previous"] is None
    back = client.get(pages[1]["previous"]).json()
    assert ids([back]) == ids(pages[:1])


@pytest.mark.parametrize(
    "question",
    [
        {"tab": "all"},
        {"tab": "all", "sort": "due"},
        {"tab": "all", "sort": "agent"},
        {"tab": "failed"},
        {"tab": "all", "jump": "2026-03-11T00:00Z", "sort": "due"},
        {"tab": "all", "as_of": f"{NOON:%Y-%m-%dT%H:%MZ}"},
    ],
)
def test_next_links_lead_through_every_page_of_the_complete_list(
    vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch, question: dict[str, str]
) -> None:
    """Beyond the rows to which pages are counted, too; and back again."""
    monkeypatch.setattr(mirror, "DEEPEST_OFFSET", 100)
    monkeypatch.setattr("isales_proxy.reservations.mirror_reader.DEEPEST_OFFSET", 100)
    mirror_rows(88, make_rows(41, 300), at=NOON)
    client = as_role("supervisor")
    pages = walk(client, size="32", source="mirror", **question)
    found = ids(pages)
    begins_later = "jump" in question
    assert len(set(found)) == len(found)
    assert begins_later or len(found) == pages[0]["count"]
    assert len(found) > 60
    assert {page["source"] for page in pages} == {"mirror"}
    assert begins_later or pages[-1]["page"] == len(pages)
    last = client.get(pages[-2]["next"]).json()
    back = [last]
    while back[-1]["previous"]:
        back.append(client.get(back[-1]["previous"]).json())
    # Rows before a jump are found, too.
    assert ids(back[::-1])[-len(found) :] == found
    assert len(ids(back)) == pages[0]["count"]


def test_rows_added_or_removed_meanwhile_hide_no_other_row(vendor: Simulator, as_role: Any) -> None:
    rows = make_rows(42, 90)
    mirror_rows(88, rows, at=NOON)
    client, question = as_role("supervisor"), {"tab": "all", "source": "mirror", "size": "30"}
    first = client.get(LIST, question).json()
    new = [row | {"appointId": f"new-{number}"} for number, row in enumerate(make_rows(43, 20))]
    mirror_rows(88, [*rows[5:], *new], at=NOON + timedelta(minutes=1))
    found, address = ids([first]), first["next"]
    while address:
        page = client.get(address).json()
        found, address = [*found, *ids([page])], page["next"]
    assert len(set(found)) == len(found)
    assert {row["appointId"] for row in rows} <= set(found)


def test_next_links_lead_an_agent_through_all_own_rows(vendor: Simulator, as_role: Any) -> None:
    mirror_rows(88, make_rows(44, 300), at=NOON)
    for source in ("live", "mirror"):
        pages = walk(as_role("agent"), size="10", source=source)
        assert len(pages) > 2
        assert len(ids(pages)) == len(set(ids(pages))) == pages[0]["count"]


@pytest.mark.parametrize("source", ["live", "mirror"])
def test_unchanged_page_is_answered_by_304(
    clock: Any, vendor: Simulator, as_role: Any, source: str
) -> None:
    rows = make_rows(45, 20, timezone.now() - timedelta(days=40))
    mirror_rows(88, rows)
    client, question = as_role("supervisor"), {"source": source}
    first = client.get(LIST, question)
    clock.shift(10)
    if source == "mirror":
        mirror_rows(88, rows)
    asked = {"If-None-Match": first.headers["ETag"]}
    again = client.get(LIST, question, headers=asked)
    assert (again.status_code, again.content) == (304, b"")
    assert "no-store" in again.headers["Cache-Control"]
    assert again.headers["X-As-Of"] > first.headers["X-As-Of"]
    vendor.add_rows(88, [{"appointId": "new"}])
    clock.shift(10)
    mirror_rows(88, [*rows, {"appointId": "new"}])
    assert client.get(LIST, question, headers=asked).status_code == 200


@cases(
    ("name", "value", "address"),
    [
        (*each, address)
        for address in [LIST, f"{LIST}counts/"]
        for each in [
            ("tab", "late"),
            ("sort", "phone"),
            ("sort", "--due"),
            ("source", "cache"),
            ("as_of", "yesterday"),
            ("as_of", "2099-01-01T00:00Z"),
            ("q", "x" * 65),
            ("q", "a\x01b"),
            ("code", "0 6"),
            ("code", ",".join(map(str, range(21)))),
            ("category", "vendor"),
            ("jump", "noon"),
            ("after", "1"),
            ("before", "none-x"),
        ]
    ],
)
def test_invalid_value_is_refused_with_its_parameter(
    vendor: Simulator, as_role: Any, address: str, name: str, value: str
) -> None:
    mirror_rows(88, make_rows(46, 5), at=NOON)
    answer = as_role("supervisor").get(address, {name: value})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [name]
    assert len(vendor.calls) == 0
