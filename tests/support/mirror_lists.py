"""Lists of a mirror, page by page: made rows, and which of them a user sees."""

from __future__ import annotations

import json
import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final

from django.db import connection

from isales_proxy.access import Scope
from isales_proxy.client.records import Reservation
from isales_proxy.models import Role, User, Vdn
from isales_proxy.reservations import services
from isales_proxy.reservations.pages import ReservationPage
from isales_proxy.reservations.query import SORT_KEYS, ListQuery, Source, Tab
from tests.support.mirror import mirror_rows, to_ms

NOON: Final = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
NAMES: Final = ("张伟", "李娜", "Zoë", "anna", "Anna", "", None, "Ω", "éric")
CODES: Final = (None, None, None, "00000", "0", "00604", "00700", "604")
FILTERS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"agents": ("116", "118")},
    {"task_id": "2"},
    {"text": "张"},
    {"text": "an"},
    {"text": "ok"},
    {"text": "o", "agents": ("116", "118")},
    {"codes": ("00604", "604")},
    {"call_type": "2"},
    {"task_status": "3"},
    {"begin": NOON - timedelta(hours=1), "end": NOON + timedelta(hours=1)},
    {"called_no": "1380001"},
    {"called_no": "0017", "call_type": "1"},
    {"agents": ("117",), "task_id": "1", "call_type": "1"},
)


def make_rows(seed: int, count: int, now: datetime = NOON) -> list[dict[str, Any]]:
    """Make rows as the vendor sends them: due around `now`, with nulls, ties and many alphabets."""
    drawn = random.Random(seed)
    rows = []
    for number in range(count):
        agent, code = drawn.randrange(7), drawn.choice(CODES)
        due = now + timedelta(seconds=drawn.choice((-60, -61, 0, 300, 900, 901, 1200, 1201)))
        if drawn.random() < 0.7:
            due = now + timedelta(seconds=drawn.randrange(-200_000, 200_000))
        rows.append(
            {
                "appointId": f"{seed}-{number}",
                "callType": drawn.choice(("1", "2", None)),
                "appointTime": None if drawn.random() < 0.08 else to_ms(due),
                "calledNo": f"1380{number % 40:04}{number % 1000:03}",
                "taskId": drawn.choice(("1", "2", "3", None)),
                "taskName": None,
                "taskStatus": None,
                "timeout": drawn.choice((True, False, None)),
                "userAccount": f"{116 + agent}" if agent < 6 else None,
                "userName": NAMES[agent] if agent < 6 else None,
                "beginTime": to_ms(due) if code or drawn.random() < 0.1 else None,
                "failCode": code,
                "busiResult": drawn.choice((None, "好", "ok", "Ok", "再打")),
                "createTime": to_ms(now - timedelta(days=1)),
            }
        )
        if rows[-1]["taskId"]:
            number = int(rows[-1]["taskId"])
            rows[-1] |= {"taskName": NAMES[number], "taskStatus": str(number + 1)}
    return rows


def create_scope(role: Role, account: str = "") -> Scope:
    """Create a scope in VDN 88, and its user and VDN if they do not exist."""
    vdn, _new = Vdn.objects.get_or_create(
        pk=88, defaults={"name": "Support", "time_zone": "Asia/Shanghai"}
    )
    user, _new = User.objects.get_or_create(username=f"{role.value}-{account}")
    return Scope(user.pk, user.username, vdn, role, account)


def list_page(scope: Scope, now: datetime, **filters: Any) -> ReservationPage:
    """List a page of the mirror at `now`."""
    query = ListQuery(source=Source.MIRROR, **{"size": 100, **filters})
    return services.list_page(scope=scope, query=query, now=now)


def list_all(scope: Scope, **filters: Any) -> list[Reservation]:
    """List all rows of a query, as a file has them."""
    found = services.read_all(scope=scope, query=ListQuery(source=Source.MIRROR, **filters))
    return [row for page in found.pages for row in page]


def walk(seed: int = 1) -> None:
    """Print the IDs of every tab, filter and order as JSON, for another database to compare."""
    rows = make_rows(seed, 260)
    mirror_rows(88, [*rows], at=NOON - timedelta(minutes=2))
    mirror_rows(88, [*rows[:-20]], at=NOON - timedelta(minutes=1))
    shown: dict[str, Any] = {}
    for role, account in ((Role.SUPERVISOR, ""), (Role.AGENT, "117")):
        scope = create_scope(role, account)
        for tab, (index, filters) in product(Tab, enumerate(FILTERS)):
            page = list_page(scope, NOON, tab=tab, **filters)
            shown[f"{role} {tab} {index}"] = [page.total, *_list_ids(page)]
        for key, sign in product(SORT_KEYS, ("", "-")):
            for number in (1, 3):
                page = list_page(scope, NOON, tab=Tab.ALL, sort=sign + key, page=number, size=40)
                shown[f"{role} {sign}{key} {number}"] = _list_ids(page)
        past = list_page(scope, NOON, tab=Tab.ALL, sort="agent", as_of=NOON - timedelta(seconds=90))
        shown[f"{role} past"] = [past.total, *_list_ids(past)]
    print(json.dumps(shown))  # noqa: T201


def count_while_swept(min_pages: int = 60, max_pages: int = 5_000) -> None:
    """Check that counts equal the rows of their lists while a sweeper commits."""
    stop = threading.Event()
    rows = make_rows(2, 120)
    mirror_rows(88, [*rows], at=NOON)
    scope, drawn = create_scope(Role.SUPERVISOR), random.Random(3)
    revisions: set[int] = set()
    wrong: list[tuple[Tab, dict[str, Any], int, int]] = []

    def sweep() -> None:
        at, draw = NOON, random.Random(4)
        try:
            while not stop.is_set():
                at += timedelta(seconds=1)
                kept = draw.sample(rows, draw.randrange(80, 120))
                mirror_rows(88, [row | {"failCode": draw.choice(CODES)} for row in kept], at=at)
        finally:
            connection.close()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(max_pages):
            if number >= min_pages and len(revisions) > 3:
                break
            tab, filters = drawn.choice(list(Tab)), drawn.choice(FILTERS)
            page = list_page(scope, NOON, tab=tab, **filters)
            assert page.mirror is not None
            revisions.add(page.mirror.counts.revision)
            if min(page.total, 100) != len(page.rows):
                wrong.append((tab, filters, page.total, len(page.rows)))
    finally:
        stop.set()
    sweeper.join()
    assert not wrong, wrong[:3]
    assert len(revisions) > 3, revisions
    print(f"{len(revisions)} revisions")  # noqa: T201


def _list_ids(page: ReservationPage) -> list[str | None]:
    return [row.appoint_id for row in page.rows]
