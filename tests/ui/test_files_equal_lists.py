"""Files have the rows and cells of their lists, for any filter, order, role, language and zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from django.utils import timezone, translation
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from dashboard.reservations.columns import RESERVATION_COLUMNS
from dashboard.ui.times import TimeFormatter
from isales_proxy.models import TokenScope, User
from isales_proxy.simulator import Simulator
from tests.support.call_data import TASK, scope_of, take
from tests.support.files import read_csv, read_table, read_workbook
from tests.support.outbox import outbox_of
from tests.support.tokens import token_of

# With the offset from UTC in an hour that occurs twice.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: UTC([+-]\d\d:\d\d))?")
# Texts of cells without content in a file, in both languages.
_NOTHING = re.compile(
    "—?|0|never|从未|none|无|Unnamed task|未命名任务|不在表中|unknown code.*|未知代码.*"
)


@dataclass(frozen=True)
class Listed:
    """A list: address, roles that may export it, filters and orders. `cells` has the index of the
    list's cell for each column of the file; None for columns that only the file has."""

    path: str
    css: str
    cells: Sequence[int | None]
    roles: Sequence[str] = ("supervisor", "auditor", "admin")
    filters: dict[str, Sequence[str]] = field(default_factory=dict)
    sorts: Sequence[str] = ()
    file: str = ""
    section: str = ""

    @property
    def file_path(self) -> str:
        return self.file or self.path


VDN = "/vdn/88/"
LISTS = {
    "reservations": Listed(
        f"{VDN}reservations/",
        "rows",
        [place for place, each in enumerate(RESERVATION_COLUMNS) for _ in each.list_exports()],
        filters={"agent": ("116", "117", "116,117"), "begin": ("", "2020-01-01T00:00")},
    ),
    "result codes": Listed(
        f"{VDN}result-codes/",
        "codes",
        (0, None, 1, 1, *[None] * 5, 3, 4, None, 5, None),
        roles=("agent", "supervisor", "auditor", "admin"),
        filters={"q": ("", "the", "0060", "busy"), "category": ("", "customer", "network")},
        sorts=("code", "says", "meaning", "category", "seen", "listed"),
    ),
    "write-backs": Listed(
        f"{VDN}write-backs/",
        "write-backs",
        (0, 0, 1, 1, 2, 3, 4, 4, 5, 5),
        filters={"q": ("", "u-", "u-2"), "state": ("", "waiting")},
        sorts=("created", "task", "unique", "result", "state"),
    ),
    "tasks": Listed(
        f"{VDN}tasks/",
        "tasks",
        (0, None, 1, 2, 3, 4),
        filters={"q": ("", "1251", "a")},
        sorts=("task", "id", "batches", "rows", "last"),
    ),
    "call data": Listed(
        f"{VDN}tasks/{TASK}/",
        "data-rows",
        (0, 1, 2, 3, None, 4, 4, None, None, None),
        filters={"q": ("", "2")},
        sorts=("unique", "batch"),
        file=f"{VDN}tasks/{TASK}/call-data/",
    ),
    "batches": Listed(
        f"{VDN}tasks/{TASK}/batches/",
        "batches",
        (0, 1, 2, 2, 3, 3, 4, None),
        sorts=("batch", "asked", "by", "rows", "state"),
    ),
    "audit": Listed(
        f"{VDN}audit/",
        "audit",
        (3, 0, 1, None, 2, 2, None, 3, 3, None, None),
        roles=("auditor", "admin"),
        # Without the exports themselves, which are events as well.
        filters={"kind": ("call_data.taken", "session.begun", "write_back.queued")},
        sorts=("at",),
    ),
    "people": Listed(
        f"{VDN}settings/",
        "installation-rows",
        (0, 0, None, None, 1, 2, 3),
        roles=("admin",),
        sorts=("person", "log-in"),
        file=f"{VDN}settings/people/",
        section="people",
    ),
    "tokens": Listed(
        f"{VDN}settings/",
        "installation-rows",
        (0, 0, 1, 2, 3, 4),
        roles=("admin",),
        sorts=("token", "owner", "scope", "ends", "used"),
        file=f"{VDN}settings/tokens/",
        section="tokens",
    ),
    "own tokens": Listed(
        "/accounts/tokens/",
        "own-rows",
        (0, 0, 1, 2, 3, 4, 4),
        roles=("agent", "admin"),
        sorts=("token", "scope", "made", "ends", "used"),
    ),
}


@dataclass(frozen=True)
class Question:
    """Parameters of a list and its file."""

    name: str
    role: str
    query: dict[str, str]
    kind: str
    language: str
    zone: str
    masked: bool

    @property
    def listed(self) -> Listed:
        return LISTS[self.name]


@st.composite
def questions(draw: Any) -> Question:
    name = draw(st.sampled_from(sorted(LISTS)))
    listed = LISTS[name]
    filters = {key: draw(st.sampled_from(values)) for key, values in listed.filters.items()}
    keys = [sign + key for key in listed.sorts for sign in ("", "-")]
    sort = draw(st.sampled_from(["", *keys]))
    return Question(
        name=name,
        role=draw(st.sampled_from(listed.roles)),
        query={key: value for key, value in (filters | {"sort": sort}).items() if value},
        kind=draw(st.sampled_from(["csv", "xlsx"])),
        language=draw(st.sampled_from(["en", "zh-hans"])),
        zone=draw(st.sampled_from(["Asia/Shanghai", "America/New_York"])),
        masked=draw(st.booleans()),
    )


@pytest.fixture
def filled(vendor: Simulator, people: dict[str, User]) -> None:
    """Rows in each list."""
    outbox = outbox_of(people)
    for name in ("u-1", "u-2", "u-3"):
        outbox.write(name)
    scope = scope_of(people)
    for count in (3, 1, 2):
        take(scope, count=count)
    take(scope, count=1, task="1106025109")
    for role in ("agent", "admin"):
        for days in (30, 7, 90):
            token_of(people[role], TokenScope.READ, days=days)


@hypothesis.settings(
    max_examples=24,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    report_multiple_bugs=False,
)
@given(question=questions())
def test_file_has_the_rows_and_cells_of_its_list(
    filled: None, as_role: Any, settings: Any, question: Question
) -> None:
    roles_with_numbers = (
        frozenset() if question.masked else frozenset({"supervisor", "auditor", "admin"})
    )
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=roles_with_numbers)
    client, headers = as_role(question.role), {"Accept-Language": question.language}
    client.post("/preferences/zone/", {"time_zone": question.zone})
    page = client.get(question.listed.path, {**question.query, "size": "100"}, headers=headers)
    answer = client.get(
        f"{question.listed.file_path}export.{question.kind}", question.query, headers=headers
    )
    assert (page.status_code, answer.status_code) == (200, 200)
    content = answer.getvalue()
    answer.close()
    read = read_csv if question.kind == "csv" else read_workbook
    _headings, *rows = read(content)
    shown = read_table(page.content.decode(), question.listed.css, question.listed.section)
    assert len(rows) == int(answer.headers["X-Row-Count"])
    # A page of the audit has 50 rows; lists without pages show all.
    assert len(shown) in {len(rows), 50, 100}
    with translation.override(question.language):
        times = TimeFormatter(timezone.now(), ZoneInfo(question.zone))
        for cells, row in zip(shown, rows, strict=False):
            compare(question, cells, row, times)


def compare(question: Question, cells: list[str], row: list[str], times: TimeFormatter) -> None:
    """Compare one row of the list with one of the file."""
    filled = set()
    for place, value in zip(question.listed.cells, row, strict=True):
        text = value.strip()
        if place is None or not text or text == "0":
            continue
        filled.add(place)
        for part in re.split("; | · |↵", text):
            shown = spell(part.removeprefix("'"), times)
            assert any(each in cells[place] for each in shown), (question, shown, cells)
    for place, cell in enumerate(cells):
        if place in question.listed.cells and place not in filled:
            assert _NOTHING.fullmatch(cell), (question, cell, row)


def spell(value: str, times: TimeFormatter) -> list[str]:
    """Return the texts by which a page may show a value of a file."""
    found = _TIME.fullmatch(value)
    if found is None:
        return [" ".join(value.split())]
    moment = datetime.fromisoformat(found[1] + (found[2] or ""))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=times.zone)
    return [times.short(moment), times.exact(moment), times.clock(moment)]
