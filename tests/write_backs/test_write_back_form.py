"""The form of a write-back without scripts: prefilled, reviewed, then stored."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from time_machine import Traveller

from isales_proxy.models import BatchState, CallDataBatch, CallDatum, User, Vdn, WriteBack
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.cases import cases
from tests.support.clock import NOON
from tests.support.outbox import TASK, outbox_of, reserve, text_of
from tests.support.pages import form_of

LIST = "/vdn/88/write-backs/"
NEW = f"{LIST}new/"
FRAGMENT = {"HX-Request": "true"}
FIELDS = {
    "unique_id": "21713676089219765504",
    "service_id": TASK,
    "fail_code": "00604",
    "device_type": "5",
    "write_start_time": "2025-05-31T14:30:00",
    "end_call_time": "2025-05-31T14:30",
}


def datum(vdn: int = 88, **more: Any) -> CallDatum:
    batch = CallDataBatch.objects.create(
        vdn=Vdn.objects.get(pk=vdn),
        service_id=TASK,
        batch_count=1,
        key=f"k{CallDataBatch.objects.count()}",
        state=BatchState.TAKEN,
        asked_at=datetime(2025, 5, 31, 6, 0, tzinfo=UTC),
        answered_at=datetime(2025, 5, 31, 6, 0, 1, tzinfo=UTC),
        asked_by_name="supervisor",
    )
    values = {"unique_id": "u-9", "service_id": TASK, "phone_numbers": "990022"} | more
    return CallDatum.objects.create(batch=batch, position=0, raw={}, **values)


# --- the form -----------------------------------------------------------------------------------


def test_codes_are_offered_with_meaning_by_category(vendor: Simulator, as_role: Any) -> None:
    text = text_of(as_role("supervisor").get(NEW))
    (menu,) = re.findall(r'<datalist id="w-fail_code-offers".*?</datalist>', text, re.DOTALL)
    assert '<option value="00604">The call is rejected. · Customer</option>' in menu
    assert re.search(r'<input id="w-fail_code"[^>]* list="w-fail_code-offers"', text)


def test_code_is_accepted_without_a_code_table(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("reset", operation="queryOBSResultCode", times=None)
    client = as_role("supervisor")
    assert 'name="fail_code" value="" type="text"' in text_of(client.get(NEW))
    assert client.post(NEW, FIELDS | {"fail_code": "12345"}, follow=True).status_code == 200
    assert client.post(NEW, FIELDS | {"fail_code": "1 2"}, follow=True).status_code == 422


def test_result_is_stored_only_after_the_review(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    answer = client.post(NEW, FIELDS, follow=True)
    text = text_of(answer)
    assert answer.status_code == 200
    assert not WriteBack.objects.exists()
    assert '"uniqueId": "21713676089219765504"' in text
    assert '"writeStartTime": "2025-05-31 06:30:00"' in text
    assert "31 May 2025 14:30:00" in text
    assert "The call is rejected." in text
    assert "Preview, skill queue" in text
    assert "no-store" in answer.headers["Cache-Control"]


def test_confirming_twice_stores_one_write_back(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    fields = form_of(client.post(NEW, FIELDS, follow=True).content.decode()) | {"confirm": "1"}
    first, second = (client.post(NEW, fields) for _ in range(2))
    row = WriteBack.objects.get()
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"] == f"{LIST}{row.pk}/"
    assert row.body["endCallTime"] == "2025-05-31 06:30:00"
    assert "Waiting" in text_of(client.get(first.headers["Location"]))


def test_confirmation_without_key_shows_the_review_again(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("supervisor").post(NEW, FIELDS | {"confirm": "1"}, follow=True)
    assert answer.status_code == 200
    assert not WriteBack.objects.exists()


def test_edit_keeps_the_values(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    fields = form_of(client.post(NEW, FIELDS, follow=True).content.decode()) | {"change": "1"}
    text = text_of(client.post(NEW, fields, follow=True))
    found = form_of(text)
    assert (found["unique_id"], found["write_start_time"]) == (
        FIELDS["unique_id"],
        FIELDS["write_start_time"],
    )
    assert form_of(text)["fail_code"] == "00604"
    assert not WriteBack.objects.exists()


@cases(
    ("change", "message"),
    [
        ({"unique_id": ""}, "This field is required."),
        ({"unique_id": "2179506\x074520"}, "Plain text on one line only."),
        ({"fail_code": "99999"}, "This code is not in the VDN's code table."),
        ({"end_call_time": "2025-05-31T14:29:59"}, "The call cannot end before it began."),
        (
            {"fetch_time": "2025-05-31T14:30:01"},
            "The call cannot begin before its data was fetched.",
        ),
        ({"end_call_time": "2098-05-31T14:30"}, "This time is in the future."),
        ({"end_call_time": "tomorrow"}, "Enter date and time as 2025-05-31T14:30."),
        ({"phone_number": "call me"}, "A called number has only digits"),
        ({"device_type": "4"}, "is not one of the available choices"),
    ],
)
def test_invalid_value_is_reported_at_its_field(
    vendor: Simulator, as_role: Any, change: dict[str, str], message: str
) -> None:
    answer = as_role("supervisor").post(
        NEW, FIELDS | change | {"confirm": "1", "key": "k"}, follow=True
    )
    text = text_of(answer)
    assert answer.status_code == 422
    assert message in text
    (name,) = change
    assert re.search(rf'id="w-{name}"[^>]*aria-invalid="true"', text) or name == "fetch_time"
    (focused,) = re.findall(r'name="(\w+)" autofocus', text)
    assert focused == ("write_start_time" if name == "fetch_time" else name)
    assert not WriteBack.objects.exists()


def test_time_a_few_minutes_ahead_is_accepted(
    clock: Traveller, vendor: Simulator, as_role: Any
) -> None:
    soon = NOON.astimezone(scope_zone()) + timedelta(minutes=4)
    answer = as_role("supervisor").post(
        NEW, FIELDS | {"end_call_time": f"{soon:%Y-%m-%dT%H:%M:%S}"}, follow=True
    )
    assert answer.status_code == 200


def scope_zone() -> Any:
    return Vdn.objects.get(pk=88).zone


def test_review_warns_about_contradictions_and_earlier_results(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    client = as_role("supervisor")
    text = text_of(client.post(NEW, FIELDS | {"status": "6"}, follow=True))
    assert 'data-warning="contradicts"' in text
    assert 'data-warning="waiting"' not in text
    outbox_of(people).write(FIELDS["unique_id"])
    text = text_of(client.post(NEW, FIELDS | {"status": "5"}, follow=True))
    assert 'data-warning="contradicts"' not in text
    assert 'data-warning="waiting"' in text
    outbox_of(people).deliver()
    assert 'data-warning="delivered"' in text_of(client.post(NEW, FIELDS, follow=True))


def test_form_without_csrf_token_is_refused(vendor: Simulator, people: dict[str, User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["supervisor"])
    assert client.post(NEW, FIELDS).status_code == 403


# --- from a reservation, from a call datum ------------------------------------------------------


def test_form_is_prefilled_from_a_reservation(vendor: Simulator, as_role: Any) -> None:
    reserve(vendor)
    client = as_role("supervisor")
    panel = text_of(client.get("/vdn/88/reservations/911/?called_no=990022", headers=FRAGMENT))
    assert f"{NEW}?reservation=911" in panel
    datum()
    datum(vdn=89, unique_id="elsewhere")
    datum(phone_numbers="9900221", unique_id="another number")
    text = text_of(client.get(NEW, {"reservation": "911"}))
    found = form_of(text)
    assert found["reservation"] == "911"
    assert found["unique_id"] == "u-9"
    assert (found["service_id"], found["phone_number"]) == (TASK, "990022")
    assert found["write_start_time"] == "2025-05-31T14:30:00"
    assert found["end_call_time"] == "2025-05-31T14:30:12"
    assert form_of(text)["fail_code"] == "00604"
    fields = form_of(client.post(NEW, found | {"fail_code": "00604"}, follow=True).content.decode())
    client.post(NEW, fields | {"confirm": "1"})
    assert WriteBack.objects.get().appoint_id == "911"


def test_one_of_several_unique_ids_is_not_prefilled(vendor: Simulator, as_role: Any) -> None:
    reserve(vendor)
    datum(unique_id="u-1")
    datum(unique_id="u-2")
    client = as_role("supervisor")
    client.get("/vdn/88/reservations/911/?called_no=990022", headers=FRAGMENT)
    text = text_of(client.get(NEW, {"reservation": "911"}))
    assert form_of(text)["unique_id"] == ""
    assert re.findall(r'<option value="(u-\d)">taken', text) == ["u-2", "u-1"]


def test_missing_reservation_is_reported(vendor: Simulator, as_role: Any) -> None:
    assert as_role("supervisor").get(NEW, {"reservation": "4711"}).status_code == 404


def test_form_is_empty_while_the_vendor_is_away(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    answer = as_role("supervisor").get(NEW, {"reservation": "911"})
    assert answer.status_code == 503
    assert 'data-problem="upstream-unavailable"' in text_of(answer)
    assert 'name="unique_id"' in text_of(answer)


def test_form_is_prefilled_from_a_call_datum(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    found = form_of(text_of(client.get(NEW, {"datum": datum().pk})))
    assert (found["unique_id"], found["service_id"], found["phone_number"]) == (
        "u-9",
        TASK,
        "990022",
    )
    assert found["fetch_time"] == "2025-05-31T14:00:01"
    several = text_of(client.get(NEW, {"datum": datum(phone_numbers="1\n2").pk}))
    assert form_of(several)["phone_number"] == ""
    assert '<option value="2">' in several


@cases("ident", ["4711", "x", "9" * 30, "-1"])
def test_unknown_datum_is_not_found(vendor: Simulator, as_role: Any, ident: str) -> None:
    assert as_role("supervisor").get(NEW, {"datum": ident}).status_code == 404


def test_datum_of_another_vdn_is_not_found(vendor: Simulator, as_role: Any) -> None:
    row = datum(vdn=89)
    assert as_role("supervisor").get(NEW, {"datum": row.pk}).status_code == 404
