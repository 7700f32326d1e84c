"""Local times in, UTC milliseconds out, and the edges where the clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
import time_machine
from django.http import QueryDict
from django.utils import timezone, translation

from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope
from isales_proxy.client.records import Reservation
from isales_proxy.models import Role, Vdn
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reservations.status import ReservationState, get_status

BERLIN = ZoneInfo("Europe/Berlin")
SCOPE = Scope(1, "maria", Vdn(pk=88, name="Support"), Role.SUPERVISOR, "")


def asked(query: str, zone: ZoneInfo) -> ReservationFilter:
    with timezone.override(zone):
        form = ReservationFilter(QueryDict(query), scope=SCOPE)
        form.is_valid()
        return form


@pytest.mark.parametrize(
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
    assert asked(f"begin={text}", BERLIN).query().begin == utc


def test_an_hour_that_exists_twice_is_taken_whole() -> None:
    query = asked("begin=2025-10-26T02:30&end=2025-10-26T02:30", BERLIN).query()
    assert query.begin == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert query.end == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


def test_an_hour_that_does_not_exist_is_told() -> None:
    form = asked("begin=2025-03-30T02:30", BERLIN)
    assert "does not exist" in form.errors["begin"][0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("now", "begin", "end"),
    [
        # An ordinary day, the day of 23 hours, the day of 25 hours.
        ("2025-05-15T10:00Z", "2025-05-15T00:00", "2025-05-16T00:00"),
        ("2025-03-30T10:00Z", "2025-03-30T00:00", "2025-03-31T00:00"),
        ("2025-10-26T10:00Z", "2025-10-26T00:00", "2025-10-27T00:00"),
        # Late in the evening in UTC it is tomorrow in Berlin already.
        ("2025-05-15T23:30Z", "2025-05-16T00:00", "2025-05-17T00:00"),
    ],
)
def test_today_is_the_readers_today(now: str, begin: str, end: str) -> None:
    from dashboard.reservations import list_context

    moment = datetime.fromisoformat(now)
    with timezone.override(BERLIN), translation.override("en"):
        form = ReservationFilter(QueryDict(""), scope=SCOPE)
        board = list_context.create_context(SCOPE, form, moment)
    today = next(entry for entry in board.ranges if entry["label"] == "Today")
    asked_for = QueryDict(today["url"].partition("?")[2])
    assert (asked_for["begin"], asked_for["end"]) == (begin, end)


def zones_without_a_midnight() -> list[tuple[str, datetime]]:
    """Days of this and the next years on which a zone skips midnight."""
    found = []
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        day = datetime(2025, 1, 1)  # noqa: DTZ001 - a wall clock
        while day.year < 2027:
            there = day.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
            if there.replace(tzinfo=None) != day:
                found.append((name, there.astimezone(UTC)))
            day += timedelta(days=1)
    return found


@pytest.mark.django_db
def test_every_quick_range_is_one_that_the_filter_takes() -> None:
    from dashboard.reservations import list_context

    days = zones_without_a_midnight()
    assert days
    for name, midnight in days:
        zone = ZoneInfo(name)
        for hours in (-30, -6, 6, 30):
            moment = midnight + timedelta(hours=hours)
            with timezone.override(zone), translation.override("en"):
                form = ReservationFilter(QueryDict(""), scope=SCOPE)
                for entry in list_context.create_context(SCOPE, form, moment).ranges:
                    asked_for = QueryDict(entry["url"].partition("?")[2])
                    assert ReservationFilter(asked_for, scope=SCOPE).is_valid(), (name, entry)


@pytest.mark.django_db
def test_the_next_hour_across_a_change_of_clocks_is_an_hour() -> None:
    from dashboard.reservations import list_context

    moment = datetime(2025, 3, 30, 0, 30, tzinfo=UTC)
    with timezone.override(BERLIN), translation.override("en"):
        board = list_context.create_context(
            SCOPE, ReservationFilter(QueryDict(""), scope=SCOPE), moment
        )
        url = next(entry["url"] for entry in board.ranges if entry["label"] == "Next hour")
        query = ReservationFilter(QueryDict(url.partition("?")[2]), scope=SCOPE)
        assert query.is_valid()
        assert (query.query().end - query.query().begin).total_seconds() == 3600  # type: ignore[operator]


def test_the_readers_zone_wins_over_that_of_the_vdn(vendor: Any, as_role: Any) -> None:
    client = as_role("supervisor")
    assert "Asia/Shanghai (UTC+08:00)" in client.get("/vdn/88/reservations/").content.decode()
    client.post("/preferences/zone/", {"time_zone": "America/Sao_Paulo", "next": "/"})
    assert "America/Sao_Paulo" in client.get("/vdn/88/reservations/").content.decode()
    vendor.calls.clear()
    client.get("/vdn/88/reservations/?begin=2025-05-15T00:00")
    assert vendor.calls[0].body["beginTime"] == 1747278000000


def test_a_zone_that_does_not_exist_changes_nothing(vendor: Any, as_role: Any) -> None:
    client = as_role("supervisor")
    answer = client.post("/preferences/zone/", {"time_zone": "Mars/Olympus", "next": "/"})
    assert answer.status_code == 302
    assert "Asia/Shanghai" in client.get("/vdn/88/reservations/").content.decode()


def test_cells_agree_with_the_zone_on_both_sides_of_a_change() -> None:
    with translation.override("en"):
        moments = TimeFormatter(datetime(2025, 10, 26, 12, tzinfo=UTC), BERLIN)
        assert moments.short(datetime(2025, 10, 26, 0, 30, tzinfo=UTC)) == "02:30 UTC+02:00"
        assert moments.short(datetime(2025, 10, 26, 1, 30, tzinfo=UTC)) == "02:30 UTC+01:00"
        assert moments.short(datetime(2025, 10, 26, 2, 30, tzinfo=UTC)) == "03:30"
        assert moments.short(datetime(2025, 10, 24, 22, 30, tzinfo=UTC)) == "25 Oct 00:30"
        assert moments.exact(datetime(2024, 12, 31, 23, 0, 5, tzinfo=UTC)) == "1 Jan 2025 00:00:05"


NOON = datetime(2025, 5, 15, 12, 0, tzinfo=UTC)
MORNING = int(NOON.timestamp() * 1000) - 4 * 3_600_000


def row(**fields: Any) -> Reservation:
    return Reservation.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"callType": "1", "appointTime": NOON.timestamp() * 1000}, ReservationState.SOON),
        # An automatic one is being dialled since five minutes ago.
        ({"callType": "2", "appointTime": NOON.timestamp() * 1000}, ReservationState.DIALLING),
        ({"callType": "1", "appointTime": (NOON.timestamp() - 61) * 1000}, ReservationState.LATE),
        (
            {"callType": "1", "appointTime": (NOON.timestamp() + 901) * 1000},
            ReservationState.WAITING,
        ),
        ({"callType": "2", "appointTime": (NOON.timestamp() + 1200) * 1000}, ReservationState.SOON),
        ({"callType": "1", "appointTime": MORNING, "failCode": "00604"}, ReservationState.FAILED),
        ({"callType": "1", "appointTime": MORNING, "failCode": "00000"}, ReservationState.ANSWERED),
        ({"callType": "1", "appointTime": MORNING, "failCode": "0"}, ReservationState.ANSWERED),
        ({"callType": "1", "appointTime": MORNING, "beginTime": MORNING}, ReservationState.CALLED),
        ({"callType": "1"}, ReservationState.UNKNOWN),
    ],
)
def test_late_and_soon_differ_by_type(fields: dict[str, Any], state: ReservationState) -> None:
    assert get_status(row(**fields), NOON, late_grace=timedelta(minutes=1)).state is state


@time_machine.travel("2025-05-15T12:00:00Z", tick=False)
def test_a_late_row_says_so_in_words(vendor: Any, as_role: Any) -> None:
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
    assert found["1"]["state"] == "late"
    assert "in 9 min" in found["2"]["appointTime"]
    assert found["2"]["state"] == "soon"
    assert "in 3 h" in found["3"]["appointTime"]
