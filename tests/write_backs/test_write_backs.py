"""The outbox: queue, retry, cancel, delete, and the permissions for each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches

from isales_proxy.access import PermissionMissing, VdnNotFound
from isales_proxy.audit import services as audit
from isales_proxy.client.queries import InvalidQuery, ReservationQuery
from isales_proxy.core.settings import RetentionSettings
from isales_proxy.models import AuditAction, AuditEvent, CallDatum, User, WriteBack, WriteBackState
from isales_proxy.reservations import services as reservations
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from isales_proxy.vendor.vendor_times import format_time, parse_time
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.services import KeyUsed, WrongState
from tests.support.call_data import NUMBER, left_behind
from tests.support.cases import cases
from tests.support.outbox import TASK, Outbox, create, reserve, scope_of


@pytest.fixture
def outbox(vendor: Simulator, people: dict[str, User]) -> Outbox:
    return Outbox(scope_of(people["supervisor"]))


def test_stored_body_is_the_body_sent(outbox: Outbox, vendor: Simulator) -> None:
    row = outbox.write(
        "21713676089219765504",
        fail_code="00604",
        device_type=5,
        phone_number="15800000001",
        write_start_time=datetime(2025, 5, 31, 6, 0, tzinfo=UTC),
    )
    assert row.state == WriteBackState.WAITING
    assert row.body == {
        "subCCNo": 1,
        "vdnId": 88,
        "uniqueId": "21713676089219765504",
        "serviceId": TASK,
        "deviceType": 5,
        "phoneNumber": "15800000001",
        "failCode": "00604",
        "writeStartTime": "2025-05-31 06:00:00",
    }
    assert list(vendor.write_backs) == []
    outbox.deliver()
    assert list(vendor.write_backs) == [row.body]


@pytest.mark.parametrize(
    ("form", "zone", "text"),
    [
        ("%Y-%m-%d %H:%M:%S", "UTC", "2025-05-31 06:00:00"),
        ("%Y-%m-%d %H:%M:%S", "VDN", "2025-05-31 14:00:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "VDN", "2025-05-31T14:00:00+0800"),
        ("milliseconds", "VDN", "1748671200000"),
        ("seconds", "UTC", "1748671200"),
    ],
)
def test_times_are_sent_in_the_configured_format(
    outbox: Outbox, settings: Any, form: str, zone: str, text: str
) -> None:
    settings.ISALES = replace(settings.ISALES, time_format=form, time_format_zone=zone)
    moment = datetime(2025, 5, 31, 6, 0, tzinfo=UTC)
    assert format_time(moment, outbox.scope.vdn) == text
    assert parse_time(text, outbox.scope.vdn) == moment


def test_form_sent_twice_is_one_write_back(outbox: Outbox) -> None:
    first, second = (
        write_backs.queue_once(scope=outbox.scope, result=create(outbox.scope), key="k").row
        for _ in range(2)
    )
    assert first.pk == second.pk
    assert AuditEvent.objects.filter(action=AuditAction.WRITE_BACK_QUEUED).count() == 1
    with pytest.raises(KeyUsed):
        write_backs.queue_once(scope=outbox.scope, result=create(outbox.scope, "u-2"), key="k")


def test_key_of_another_person_is_independent(outbox: Outbox, people: dict[str, User]) -> None:
    mine = write_backs.queue_once(scope=outbox.scope, result=create(outbox.scope), key="k").row
    other = scope_of(people["both"], 89)
    theirs = write_backs.queue_once(scope=other, result=create(other), key="k").row
    assert mine.pk != theirs.pk


@cases("unique_id", ["u\x00", "", "u" * 129])
def test_value_out_of_bounds_is_not_stored(outbox: Outbox, unique_id: str) -> None:
    with pytest.raises(InvalidQuery):
        outbox.write(unique_id)
    assert not WriteBack.objects.exists()


@cases("role", ["agent", "auditor"])
def test_permission_is_required_to_queue_retry_and_cancel(
    outbox: Outbox, people: dict[str, User], role: str
) -> None:
    row = outbox.write()
    scope = scope_of(people[role])
    with pytest.raises(PermissionMissing):
        write_backs.queue_once(scope=scope, result=create(scope), key="k")
    for action in (write_backs.retry, write_backs.cancel):
        with pytest.raises(PermissionMissing):
            action(scope=scope, pk=row.pk)


def test_write_backs_of_another_vdn_are_not_found(outbox: Outbox, people: dict[str, User]) -> None:
    row = outbox.write()
    for action in (write_backs.retry, write_backs.cancel):
        with pytest.raises(VdnNotFound):
            action(scope=scope_of(people["both"], 89), pk=row.pk)


def test_audit_names_the_person_and_no_number(outbox: Outbox) -> None:
    row = outbox.write(phone_number="15800000001", fail_code="00604")
    outbox.cancel(row)
    outbox.retry(row)
    events = list(AuditEvent.objects.order_by("id"))
    assert [event.action for event in events] == [
        AuditAction.WRITE_BACK_QUEUED,
        AuditAction.WRITE_BACK_CANCELLED,
        AuditAction.WRITE_BACK_RETRIED,
    ]
    assert {event.actor for event in events} == {"supervisor"}
    assert {event.vdn_id for event in events} == {88}
    assert "15800000001" not in "".join(str(vars(event)) for event in events)
    assert {event.number_key for event in events} == {audit.fingerprint_number("15800000001")}


def test_audit_finds_the_number_of_a_result_without_one(outbox: Outbox, vendor: Simulator) -> None:
    reserve(vendor)
    query = ReservationQuery(called_no="990022")
    assert reservations.get(scope=outbox.scope, appoint_id="911", query=query)
    taken = left_behind(state="taken")
    CallDatum.objects.create(batch=taken, position=1, unique_id="u-2", phone_numbers=NUMBER, raw={})
    of_reservation = write_backs.queue_once(
        scope=outbox.scope, result=create(outbox.scope, "u-1"), key="k", appoint_id="911"
    ).row
    # Later the reservation is forgotten, but the first audit event is not.
    caches["rows"].clear()
    for row, number in ((of_reservation, "990022"), (outbox.write("u-2"), NUMBER)):
        outbox.cancel(row)
        outbox.retry(row)
        events = AuditEvent.objects.filter(subject=f"write-back {row.pk}")
        assert [event.number_key for event in events] == [audit.fingerprint_number(number)] * 3
    other = outbox.write("u-3")
    outbox.cancel(other)
    assert set(
        AuditEvent.objects.filter(subject=f"write-back {other.pk}").values_list(
            "number_key", flat=True
        )
    ) == {""}


def test_cancelled_write_back_is_not_sent(outbox: Outbox, vendor: Simulator) -> None:
    row = outbox.cancel(outbox.write())
    outbox.deliver()
    assert list(vendor.write_backs) == []
    row.refresh_from_db()
    assert (row.state, row.finished_at) == (WriteBackState.CANCELLED, outbox.now)
    with pytest.raises(WrongState):
        outbox.cancel(row)


def test_write_back_being_sent_cannot_be_cancelled(outbox: Outbox) -> None:
    row = outbox.write()
    WriteBack.objects.update(claimed_by="w", claimed_until=outbox.now + timedelta(seconds=5))
    with pytest.raises(WrongState):
        outbox.cancel(row)
    outbox.later(seconds=6)
    assert outbox.cancel(row).state == WriteBackState.CANCELLED


def test_refused_write_back_can_be_retried(outbox: Outbox, vendor: Simulator) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT)
    row = outbox.write()
    outbox.deliver()
    outbox.later(hours=1)
    outbox.retry(row)
    outbox.deliver()
    row.refresh_from_db()
    assert row.state == WriteBackState.DELIVERED
    assert outbox.outcomes(row) == ["refused", "ok"]
    with pytest.raises(WrongState):
        outbox.retry(row)


def test_older_result_cannot_be_retried_after_a_newer_delivery(
    outbox: Outbox, vendor: Simulator
) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT)
    old = outbox.write(status="5")
    new = outbox.write(status="6")
    outbox.deliver()
    new.refresh_from_db()
    assert new.state == WriteBackState.DELIVERED
    with pytest.raises(WrongState, match="A newer result for this unique ID"):
        outbox.retry(old)


def test_older_result_cannot_be_retried_while_a_newer_one_is_sent(outbox: Outbox) -> None:
    old = outbox.cancel(outbox.write())
    new = outbox.write()
    WriteBack.objects.filter(pk=new.pk).update(
        claimed_by="w", claimed_until=outbox.now + timedelta(seconds=5)
    )
    with pytest.raises(WrongState, match="A newer result for this unique ID"):
        outbox.retry(old)


def test_old_write_backs_are_deleted_with_their_journal(
    outbox: Outbox, vendor: Simulator, settings: Any
) -> None:
    settings.RETENTION = RetentionSettings(write_back_days=10)
    done, waiting = outbox.write("a"), outbox.write("b")
    WriteBack.objects.filter(pk=waiting.pk).update(next_at=outbox.now + timedelta(days=99))
    outbox.deliver()
    assert write_backs.purge(outbox.now + timedelta(days=9)) == 0
    assert write_backs.purge(outbox.now + timedelta(days=11)) == 1
    event = AuditEvent.objects.filter(action=AuditAction.WRITE_BACK_PURGED).get()
    assert (event.vdn_id, event.detail) == (88, {"rows": 1})
    assert list(WriteBack.objects.all()) == [waiting]
    assert not done.journal.exists()


@pytest.mark.django_db(transaction=True)
def test_write_back_is_stored_without_a_job_queue(
    vendor: Simulator, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))

    def refuse(**_more: object) -> None:
        raise ConnectionError

    write_backs.queued.connect(refuse)
    try:
        row = outbox.write()
    finally:
        write_backs.queued.disconnect(refuse)
    assert WriteBack.objects.get().pk == row.pk
