"""Write-backs by people who may not see the called number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from isales_proxy.models import CallDatum, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.call_data import NUMBER, ROW, scope_of, take
from tests.support.call_data import TASK as DATA_TASK
from tests.support.cases import cases
from tests.support.outbox import TASK, text_of
from tests.support.pages import form_of

NEW = "/vdn/88/write-backs/new/"
RESERVED = "15800000001"
CHOSEN = "reservation:911"


@pytest.fixture
def writer(vendor: Simulator, as_role: Any, people: Any, settings: Any) -> Any:
    """A supervisor without number access, with a reservation and a row of call data."""
    vendor.add_rows(
        88, [{"appointId": "911", "calledNo": RESERVED, "taskId": TASK, "failCode": "00604"}]
    )
    vendor.call_data.put(88, DATA_TASK, [ROW])
    take(scope_of(people), count=1)
    client = as_role("supervisor")
    client.get("/vdn/88/reservations/", {"called_no": RESERVED})
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset())
    return client


def test_hidden_number_of_a_reservation_is_sent(writer: Any) -> None:
    text = text_of(writer.get(NEW, {"reservation": "911"}))
    assert RESERVED not in text
    assert "158••••0001" in text
    form = form_of(text) | {"unique_id": "u-1", "number_of": CHOSEN}
    assert form["phone_number"] == ""
    assert f'value="{CHOSEN}" selected' in text
    seen = text_of(writer.post(NEW, form, follow=True))
    assert RESERVED not in seen
    assert "158••••0001" in seen
    again = text_of(writer.post(NEW, form_of(seen) | {"change": "1"}, follow=True))
    assert f'value="{CHOSEN}" selected' in again
    answer = writer.post(NEW, form_of(seen) | {"confirm": "1"})
    assert answer.status_code == 303
    row = WriteBack.objects.get()
    assert row.phone_number == row.body["phoneNumber"] == RESERVED
    assert RESERVED not in text_of(writer.get(answer.headers["Location"]))


def test_one_of_several_hidden_numbers_is_sent(writer: Any) -> None:
    datum = CallDatum.objects.get()
    text = text_of(writer.get(NEW, {"datum": str(datum.pk)}))
    assert NUMBER not in text
    assert "number_of" not in form_of(text)
    keys = re.findall(r'<option value="(datum:[^"]+)"', text)
    assert keys == [f"datum:{datum.pk}:0", f"datum:{datum.pk}:1"]
    form = form_of(text) | {"number_of": keys[0], "confirm": "1", "key": "k"}
    assert writer.post(NEW, form).status_code == 303
    assert WriteBack.objects.get().phone_number == f"+{NUMBER}"


def test_typed_number_replaces_the_hidden_one(writer: Any) -> None:
    form = form_of(text_of(writer.get(NEW, {"reservation": "911"}))) | {"unique_id": "u-1"}
    form["number_of"] = CHOSEN
    seen = text_of(writer.post(NEW, form | {"phone_number": "700800900"}, follow=True))
    assert "700800900" in seen
    writer.post(NEW, form_of(seen) | {"confirm": "1"})
    assert WriteBack.objects.get().phone_number == "700800900"


@cases("key", ["reservation:0", "datum:999:0", "datum:1", "datum:x:0", "elsewhere", "datum:1:7"])
def test_unknown_hidden_number_is_refused(writer: Any, key: str) -> None:
    form = {"unique_id": "u-1", "service_id": TASK, "number_of": key, "key": "k"}
    for more in ({}, {"confirm": "1"}):
        answer = writer.post(NEW, form | more, follow=True)
        assert answer.status_code == 409
        assert "cannot be looked up" in text_of(answer)
    assert WriteBack.objects.count() == 0


def test_hidden_number_is_not_offered_with_number_access(writer: Any, settings: Any) -> None:
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=frozenset({"supervisor"}))
    text = text_of(writer.get(NEW, {"reservation": "911"}))
    assert form_of(text)["phone_number"] == RESERVED
    assert 'name="number_of"' not in text


def test_journal_masks_numbers(writer: Any, vendor: Simulator) -> None:
    form = form_of(text_of(writer.get(NEW, {"reservation": "911"})))
    writer.post(NEW, form | {"unique_id": "u-1", "number_of": CHOSEN, "confirm": "1", "key": "k"})
    row = WriteBack.objects.get()
    quoted = f"No such number: {RESERVED[:3]} : {RESERVED[3:]}"
    row.journal.create(
        number=1, started_at=row.created_at, worker="one", outcome="refused", problem=quoted
    )
    for address in (f"/vdn/88/write-backs/{row.pk}/", f"/api/v1/vdns/88/write-backs/{row.pk}/"):
        text = text_of(writer.get(address))
        assert "No such number" in text
        assert RESERVED[3:] not in text


def test_hidden_number_is_not_found_by_guesses_under_the_same_key(writer: Any) -> None:
    """A correct guess must look like a wrong one on page and API, in status and text."""
    form = {"unique_id": "u-1", "service_id": TASK, "number_of": CHOSEN, "key": "k", "confirm": "1"}
    assert writer.post(NEW, form).status_code == 303
    guesses = [form | {"number_of": "", "phone_number": number} for number in (RESERVED, "158")]
    right, wrong = (writer.post(NEW, guess, follow=True) for guess in guesses)
    assert right.redirect_chain == wrong.redirect_chain
    assert right.status_code == wrong.status_code == 200
    fields = {"unique_id": "u-1", "service_id": TASK}
    answers = [
        writer.post(
            "/api/v1/vdns/88/write-backs/",
            fields | {"phone_number": number, **({"key": "k"} if in_body else {})},
            content_type="application/json",
            headers={} if in_body else {"Idempotency-Key": "k"},
        )
        for number in (RESERVED, "158")
        for in_body in (True, False)
    ]
    assert [answer.status_code for answer in answers] == [409, 422, 409, 422]
    assert WriteBack.objects.count() == 1


def test_repeated_form_needs_no_vendor(writer: Any, vendor: Simulator) -> None:
    form = {"unique_id": "u-1", "service_id": TASK, "number_of": CHOSEN, "key": "k", "confirm": "1"}
    first = writer.post(NEW, form)
    vendor.stop()
    again = writer.post(NEW, form)
    assert (again.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert WriteBack.objects.count() == 1


def test_key_of_an_older_release_reveals_no_number(writer: Any) -> None:
    form = {"unique_id": "u-1", "service_id": TASK, "number_of": CHOSEN, "key": "k", "confirm": "1"}
    writer.post(NEW, form)
    WriteBack.objects.update(request_digest="")
    answers = [
        writer.post(NEW, form | {"number_of": "", "phone_number": number}).status_code
        for number in (RESERVED, "158")
    ]
    assert len(set(answers)) == 1
