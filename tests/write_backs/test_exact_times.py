"""A prefilled time keeps its instant, and the two times of a repeated hour are distinguished."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from dashboard.ui.times import TimeFormatter
from isales_proxy.models import User, Vdn, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.outbox import TASK, text_of
from tests.support.pages import form_of

NEW = "/vdn/88/write-backs/new/"
BERLIN = ZoneInfo("Europe/Berlin")
# 25 October 2026, 02:30:00.250 for the second time in Berlin, and five minutes later.
BEGAN = datetime(2026, 10, 25, 1, 30, 0, 250_000, tzinfo=UTC)
ENDED = datetime(2026, 10, 25, 1, 35, tzinfo=UTC)
NOW = datetime(2026, 10, 26, 9, 0, tzinfo=UTC)
TYPED = {"unique_id": "u-7", "service_id": TASK, "zone": "Europe/Berlin"}


@pytest.fixture
def client(vendor: Simulator, as_role: Any, settings: Any) -> Any:
    """A supervisor in Berlin on the next day; times are sent in milliseconds."""
    settings.ISALES = replace(settings.ISALES, time_format="milliseconds")
    Vdn.objects.filter(pk=88).update(time_zone="Europe/Berlin")
    vendor.add_rows(
        88,
        [
            {
                "appointId": "911",
                "calledNo": "990022",
                "taskId": TASK,
                "beginTime": round(BEGAN.timestamp() * 1000),
                "endTime": round(ENDED.timestamp() * 1000),
            }
        ],
    )
    with time_machine.travel(NOW):
        found = as_role("supervisor")
        found.get("/vdn/88/reservations/911/?called_no=990022")
        yield found


def form_from_reservation(client: Any) -> dict[str, str]:
    return form_of(text_of(client.get(NEW, {"reservation": "911"}))) | {"unique_id": "u-7"}


def stored(client: Any, form: dict[str, str]) -> dict[str, Any]:
    review = client.post(NEW, form, follow=True)
    assert review.status_code == 200, text_of(review)
    client.post(NEW, form_of(text_of(review)) | {"confirm": "1"})
    return dict(WriteBack.objects.get().body)


def ms(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def test_unchanged_times_keep_their_instant(client: Any) -> None:
    form = form_from_reservation(client)
    assert form["write_start_time"] == "2026-10-25T02:30:00"
    body = stored(client, form)
    assert (body["writeStartTime"], body["endCallTime"]) == (ms(BEGAN), ms(ENDED))


def test_unchanged_times_keep_their_instant_through_errors_and_another_zone(
    client: Any, people: dict[str, User]
) -> None:
    form = form_from_reservation(client) | {"unique_id": ""}
    address = client.post(NEW, form).headers["Location"]
    client.post("/preferences/zone/", {"time_zone": "Asia/Shanghai", "next": address})
    again = form_of(text_of(client.get(address)))
    assert again["write_start_time"] == "2026-10-25T09:30:00"
    body = stored(client, again | {"unique_id": "u-7"})
    assert (body["writeStartTime"], body["endCallTime"]) == (ms(BEGAN), ms(ENDED))


def test_form_keeps_the_zone_it_was_shown_in(client: Any, people: dict[str, User]) -> None:
    User.objects.filter(username="supervisor").update(time_zone="Asia/Tokyo")
    body = stored(client, TYPED | {"write_start_time": "2026-07-01T12:00"})
    assert body["writeStartTime"] == ms(datetime(2026, 7, 1, 10, 0, tzinfo=UTC))


def test_ambiguous_time_needs_an_offset(client: Any) -> None:
    form = TYPED | {"write_start_time": "2026-10-25T02:40"}
    answer = client.post(NEW, form, follow=True)
    text = text_of(answer)
    assert answer.status_code == 422
    assert "occurs twice" in text
    assert '<option value="+02:00">' in text
    assert '<option value="+01:00">' in text
    body = stored(client, form_of(text) | {"write_start_time_offset": "+01:00"})
    assert body["writeStartTime"] == ms(datetime(2026, 10, 25, 1, 40, tzinfo=UTC))


def test_ambiguous_time_is_judged_in_the_zone_of_the_form(client: Any) -> None:
    User.objects.filter(username="supervisor").update(time_zone="Asia/Tokyo")
    text = text_of(client.post(NEW, TYPED | {"write_start_time": "2026-10-25T02:40"}, follow=True))
    assert form_of(text)["zone"] == "Europe/Berlin"
    body = stored(client, form_of(text) | {"write_start_time_offset": "+02:00"})
    assert body["writeStartTime"] == ms(datetime(2026, 10, 25, 0, 40, tzinfo=UTC))


def test_other_offset_can_be_chosen_for_a_prefilled_time(client: Any) -> None:
    form = form_from_reservation(client)
    assert form["write_start_time_offset"] == "+01:00"
    body = stored(client, form | {"write_start_time_offset": "+02:00"})
    assert body["writeStartTime"] == ms(BEGAN.replace(hour=0, microsecond=0))


def test_changed_time_is_stored_as_typed(client: Any) -> None:
    body = stored(client, form_from_reservation(client) | {"write_start_time": "2026-10-25T01:59"})
    assert body["writeStartTime"] == ms(datetime(2026, 10, 24, 23, 59, tzinfo=UTC))


def test_skipped_time_is_refused(client: Any) -> None:
    answer = client.post(NEW, TYPED | {"write_start_time": "2026-03-29T02:30"}, follow=True)
    assert answer.status_code == 422
    assert "does not exist" in text_of(answer)


def test_ambiguous_times_are_shown_with_their_offset() -> None:
    times = TimeFormatter(NOW, BERLIN)
    first = BEGAN.replace(hour=0)
    for show in (times.short, times.exact, times.clock, times.stamp):
        assert show(first) != show(BEGAN)
        assert show(first).endswith(" UTC+02:00")
        assert show(BEGAN).endswith(" UTC+01:00")
        for plain in (BEGAN.replace(hour=2), BEGAN.replace(day=24, hour=22)):
            assert "UTC" not in show(plain)


def test_panel_shows_the_offset_of_ambiguous_times(client: Any, vendor: Simulator) -> None:
    panel = text_of(client.get("/vdn/88/reservations/911/?called_no=990022"))
    assert "25 Oct 2026 02:30:00 UTC+01:00" in panel


@pytest.mark.parametrize(
    ("time_format", "warned"), [("%Y-%m-%d %H:%M:%S", True), ("%Y-%m-%d %H:%M:%S%z", False)]
)
def test_review_warns_when_the_time_format_loses_the_offset(
    client: Any, settings: Any, time_format: str, warned: bool
) -> None:
    settings.ISALES = replace(settings.ISALES, time_format=time_format, time_format_zone="VDN")
    review = client.post(NEW, form_from_reservation(client), follow=True)
    assert ('data-warning="twofold"' in text_of(review)) is warned
    assert client.get(NEW).status_code == 200


def test_task_typed_by_its_name_is_sent_by_its_id(client: Any) -> None:
    # Names are learnt from reservations.
    client.get("/vdn/88/reservations/?size=100")
    rows = client.get("/api/v1/vdns/88/tasks/").json()["results"]
    named = {row["name"]: row["service_id"] for row in rows if row["name"]}
    name = next(iter(named))
    assert stored(client, TYPED | {"service_id": name})["serviceId"] == named[name]
