"""Local times of filters and cells, also around clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.http import QueryDict
from django.utils import timezone, translation

from dashboard.ui.list_url import ListUrl
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.client.records import Reservation
from isales_proxy.models import Role, Vdn
from isales_proxy.reservations.forms import NamedRange, ReservationFilter
from isales_proxy.reservations.status import ReservationState, get_status
from tests.support.cases import cases

BERLIN = ZoneInfo("Europe/Berlin")
SCOPE = Scope(1, "maria", Vdn(pk=88, name="Support"), Role.SUPERVISOR, "")


def validate(query: str, zone: ZoneInfo) -> ReservationFilter:
    with timezone.override(zone):
        form = ReservationFilter(QueryDict(query), scope=SCOPE)
        form.is_valid()
        return form


@cases(
    ("text", "utc"),
    [
        ("2025-01-15T12:00", datetime(2025, 1, 15, 11, tzinfo=UTC)),
        ("2025-07-15T12:00", datetime(2025, 7, 15, 10, tzinfo=UTC)),
        ("2025-03-30T01:59", datetime(2025, 3, 30, 0, 59, tzinfo=UTC)),
        ("2025-03-30T03:00", datetime(2025, 3, 30, 1, 0, tzinfo=UTC)),
        ("2024-02-29T23:59", datetime(2024, 2, 29, 22, 59, tzinfo=UTC)),
    ],
)
def test_local_times_become_utc(text: str, utc: datetime) -> None:
    assert validate(f"begin={text}", BERLIN).query().begin == utc


def test_ambiguous_hour_is_included_completely() -> None:
    query = validate("begin=2025-10-26T02:30&end=2025-10-26T02:30", BERLIN).query()
    assert query.begin == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert query.end == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


def test_skipped_hour_is_reported() -> None:
    form = validate("begin=2025-03-30T02:30", BERLIN)
    assert "does not exist" in form.errors["begin"][0]


@cases(
    ("text", "utc"),
    [
        ("2025-10-26T02:30%2B02:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26T02:30%2B01:00", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        # A plus that was not encoded, a colleague's offset, a time that Berlin's clocks skip.
        ("2025-10-26T02:30+01:00", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("2025-05-15T00:00-03:00", datetime(2025, 5, 15, 3, tzinfo=UTC)),
        ("2025-03-30T02:30Z", datetime(2025, 3, 30, 2, 30, tzinfo=UTC)),
    ],
)
def test_time_with_an_offset_is_exact(text: str, utc: datetime) -> None:
    query = validate(f"begin={text}&end={text}", BERLIN).query()
    assert query.begin == query.end == utc


def test_time_with_an_offset_is_shown_as_local_and_linked_with_an_offset() -> None:
    with timezone.override(BERLIN):
        form = ReservationFilter(QueryDict("end=2025-10-26T01:30Z"), scope=SCOPE)
        assert form["end"].value() == "2025-10-26T02:30"
        assert ListUrl.from_form("/", form).get_url() == "/?end=2025-10-26T02%3A30%2B01%3A00"


@pytest.mark.parametrize("text", ["2025-05-15T00:00+25:00", "1999-12-31T23:00-08:00"])
def test_time_out_of_bounds_is_refused(text: str) -> None:
    assert validate(f"begin={text}", BERLIN).errors.keys() == {"begin"}


@cases(
    ("now", "begin", "end"),
    [
        # An ordinary day, the day of 23 hours, the day of 25 hours.
        ("2025-05-15T10:00Z", "2025-05-14T22:00Z", "2025-05-15T22:00Z"),
        ("2025-03-30T10:00Z", "2025-03-29T23:00Z", "2025-03-30T22:00Z"),
        ("2025-10-26T00:30Z", "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        # Late in the evening in UTC it is tomorrow in Berlin already.
        ("2025-05-15T23:30Z", "2025-05-15T22:00Z", "2025-05-16T22:00Z"),
    ],
)
def test_today_is_the_readers_today(now: str, begin: str, end: str) -> None:
    moment, first, next_day = map(datetime.fromisoformat, (now, begin, end))
    with timezone.override(BERLIN):
        form = ReservationFilter(QueryDict("range=today"), scope=SCOPE, now=moment)
        assert form.is_valid()
    query = form.query()
    assert (query.begin, query.end) == (first, next_day - timedelta(milliseconds=1))


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/Asuncion", "Asia/Beirut"])
def test_days_are_adjacent_where_clocks_skip_midnight(zone: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        for day in range(366):
            now = datetime(2024, 1, 1, 15, tzinfo=UTC) + timedelta(days=day)
            ended = NamedRange.YESTERDAY.get_span(now)[1]
            assert ended + timedelta(milliseconds=1) == NamedRange.TODAY.get_span(now)[0]


def test_next_hour_across_a_clock_change_is_sixty_minutes() -> None:
    with timezone.override(BERLIN):
        begin, end = NamedRange.NEXT_HOUR.get_span(datetime(2025, 3, 30, 0, 30, 7, tzinfo=UTC))
    assert begin == datetime(2025, 3, 30, 0, 30, tzinfo=UTC)
    assert end - begin == timedelta(minutes=60, milliseconds=-1)


def test_zone_of_the_reader_overrides_that_of_the_vdn(vendor: Any, as_role: Any) -> None:
    client = as_role("supervisor")
    assert "Asia/Shanghai (UTC+08:00)" in client.get("/vdn/88/reservations/").content.decode()
    client.post("/preferences/zone/", {"time_zone": "America/Sao_Paulo", "next": "/"})
    assert "America/Sao_Paulo" in client.get("/vdn/88/reservations/").content.decode()
    vendor.calls.clear()
    client.get("/vdn/88/reservations/?begin=2025-05-15T00:00")
    assert vendor.calls[0].body["beginTime"] == 1747278000000


def test_unknown_zone_changes_nothing(vendor: Any, as_role: Any) -> None:
    client = as_role("supervisor")
    answer = client.post("/preferences/zone/", {"time_zone": "Mars/Olympus", "next": "/"})
    assert answer.status_code == 302
    assert "Asia/Shanghai" in client.get("/vdn/88/reservations/").content.decode()


def test_cells_show_the_local_time_on_both_sides_of_a_clock_change() -> None:
    with translation.override("en"):
        times = TimeFormatter(datetime(2025, 10, 26, 12, tzinfo=UTC), BERLIN)
        assert times.short(datetime(2025, 10, 26, 0, 30, tzinfo=UTC)) == "02:30 UTC+02:00"
        assert times.short(datetime(2025, 10, 26, 1, 30, tzinfo=UTC)) == "02:30 UTC+01:00"
        assert times.short(datetime(2025, 10, 26, 2, 30, tzinfo=UTC)) == "03:30"
        assert times.short(datetime(2025, 10, 24, 22, 30, tzinfo=UTC)) == "25 Oct 00:30"
        assert times.exact(datetime(2024, 12, 31, 23, 0, 5, tzinfo=UTC)) == "1 Jan 2025 00:00:05"


NOON = datetime(2025, 5, 15, 12, 0, tzinfo=UTC)
MORNING = int(NOON.timestamp() * 1000) - 4 * 3_600_000


def row(**fields: Any) -> Reservation:
    return Reservation.model_validate(fields)


@cases(
    ("fields", "state"),
    [
        ({"callType": "1", "appointTime": NOON.timestamp() * 1000}, ReservationState.SOON),
        # An automatic one is being dialled since five minutes ago.
        ({"callType": "2", "appointTime": NOON.timestamp() * 1000}, ReservationState.DIALLING),
        (
            {"callType": "1", "appointTime": (NOON.timestamp() - 61) * 1000},
            ReservationState.OVERDUE,
        ),
        (
            {"callType": "1", "appointTime": (NOON.timestamp() + 901) * 1000},
            ReservationState.LATER,
        ),
        ({"callType": "2", "appointTime": (NOON.timestamp() + 1200) * 1000}, ReservationState.SOON),
        ({"callType": "1", "appointTime": MORNING, "failCode": "00604"}, ReservationState.FAILED),
        ({"callType": "1", "appointTime": MORNING, "failCode": "00000"}, ReservationState.ANSWERED),
        ({"callType": "1", "appointTime": MORNING, "failCode": "0"}, ReservationState.ANSWERED),
        ({"callType": "1", "appointTime": MORNING, "beginTime": MORNING}, ReservationState.CALLED),
        ({"callType": "1"}, ReservationState.UNDATED),
    ],
)
def test_state_of_a_due_row_depends_on_its_type(
    fields: dict[str, Any], state: ReservationState
) -> None:
    assert get_status(row(**fields), NOON, late_grace=timedelta(minutes=1)).state is state


@time_machine.travel("2025-05-15T12:00:00Z", tick=False)
def test_overdue_row_shows_how_late_it_is(vendor: Any, as_role: Any) -> None:
    from tests.support.pages import rows_of

    ms = int(NOON.timestamp() * 1000)
    vendor.add_rows(
        88,
        [
            {"appointId": "1", "calledNo": "70001", "appointTime": ms - 18 * 60_000},
            {"appointId": "2", "calledNo": "70001", "appointTime": ms + 9 * 60_000},
            {"appointId": "3", "calledNo": "70001", "appointTime": ms + 3 * 3_600_000},
        ],
    )
    found = {
        entry["id"]: entry
        for entry in rows_of(
            as_role("supervisor")
            .get("/vdn/88/reservations/", {"called_no": "70001"})
            .content.decode()
        )
    }
    assert "18 min late" in found["1"]["appointTime"]
    assert found["1"]["state"] == "overdue"
    assert "in 9 min" in found["2"]["appointTime"]
    assert found["2"]["state"] == "soon"
    assert "in 3 h" in found["3"]["appointTime"]
