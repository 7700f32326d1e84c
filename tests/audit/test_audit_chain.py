"""The chain of the audit: changed, inserted, deleted and moved events are detected."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import Client
from prometheus_client import REGISTRY

from isales_proxy import jobs
from isales_proxy.audit import services as audit
from isales_proxy.audit.verify import Fault, verify
from isales_proxy.models import AuditAction, AuditEvent, AuditHead
from tests.support.audit import alter, put_in, sql, unguard, write
from tests.support.cases import cases

pytestmark = pytest.mark.django_db


def list_messages(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def test_empty_audit_is_unbroken() -> None:
    assert verify().fault is None
    assert "Events: 0" in list_messages()


def test_untouched_chain_is_unbroken() -> None:
    events = write(5)
    found = verify()
    assert (found.fault, found.count) == (None, 5)
    assert (found.first_at, found.last_at) == (events[0].at, events[-1].at)
    assert [event.previous for event in events] == ["", *(event.hash for event in events[:-1])]
    text = list_messages()
    assert "Events: 5, from " in text
    assert f"Last: {events[-1].pk}:{events[-1].hash}" in text


DETAIL = {
    "when": datetime(2026, 11, 21, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=8))),
    "floats": [0.1, 1.0, -0.0, 1e22, 1e23, 1.5e-7, 123456.789012, float("inf")],
    "words": "外呼数据 “é” e\u0301 \u2028 😀 \x00 \ud800 \\u0041 </script>",
    "nested": {"b": [1, {"c": None}], "a": True, "": ""},
    "large": 2**70,
}


def test_stored_values_have_the_fingerprint_of_the_original() -> None:
    audit.record(
        AuditAction.VDN_CHANGED, by=None, subject="名 \x00 \ud800", reason="为什么 é", **DETAIL
    )
    assert verify().fault is None
    event = AuditEvent.objects.get()
    assert event.detail["when"] == "2026-11-21T03:04:05.678901+08:00"
    assert event.detail["floats"][0] == 0.1
    assert event.detail["words"].startswith("外呼数据 “é” e\u0301 \u2028 😀 ")


CHANGES = {
    "action": "'session.begun'",
    "actor_id": "7",
    "actor": "'somebody else'",
    "address": "'192.0.2.1'",
    "vdn_id": "89",
    "subject": "'another'",
    "reason": "'for no reason'",
    "detail": "'{\"calls\": 4}'",
    "number_key": "'0'",
    "person_id": "7",
    "previous": "''",
    "hash": "'0'",
    "at": "'2020-01-01 00:00:00+00:00'",
}


def test_every_field_of_an_event_is_tested_for_changes() -> None:
    names = {field.attname for field in AuditEvent._meta.concrete_fields}
    assert names - {"id"} == set(CHANGES)


@cases("name", sorted(CHANGES))
def test_changed_field_is_detected(name: str) -> None:
    middle = write(3, calls=3)[1]
    unguard()
    alter(middle.pk, name, CHANGES[name])
    found = verify()
    assert (found.fault, found.event_id) == (Fault.CHANGED, middle.pk)


def test_change_of_a_microsecond_is_detected() -> None:
    (event,) = write(1)
    unguard()
    sql("UPDATE {table} SET at = %s WHERE id = %s", event.at + timedelta(microseconds=1), event.pk)
    assert verify().fault is Fault.CHANGED


@cases("place", [0, 1])
def test_missing_event_is_detected(place: int) -> None:
    events = write(3)
    unguard()
    sql("DELETE FROM {table} WHERE id = %s", events[place].pk)
    found = verify()
    assert (found.fault, found.event_id) == (Fault.MISSING, events[place + 1].pk)


def test_deletion_of_the_newest_events_is_detected() -> None:
    events = write(3)
    unguard()
    sql("DELETE FROM {table} WHERE id >= %s", events[1].pk)
    found = verify()
    assert (found.fault, found.event_id) == (Fault.CUT, events[2].pk)


def test_deletion_of_all_events_is_detected() -> None:
    write(3)
    unguard()
    sql("DELETE FROM {table}")
    assert verify().fault is Fault.CUT


def test_head_adjusted_to_a_deletion_is_detected_even_after_the_next_event() -> None:
    events = write(3)
    unguard()
    sql("DELETE FROM {table} WHERE id = %s", events[2].pk)
    sql("UPDATE {head} SET last = %s, last_id = %s", events[1].hash, events[1].pk)
    assert verify().fault is Fault.HEAD
    # What comes next seals the head anew, and must not make good what was done.
    later = write(2)[0]
    found = verify()
    assert (found.fault, found.event_id) == (Fault.MISSING, later.pk)


def test_beginning_adjusted_to_a_deletion_is_detected() -> None:
    events = write(3)
    unguard()
    sql("DELETE FROM {table} WHERE id = %s", events[0].pk)
    sql("UPDATE {head} SET first_previous = %s", events[0].hash)
    assert verify().fault is Fault.HEAD


def test_deleted_head_is_detected_even_after_the_next_event() -> None:
    write(2)
    sql("DELETE FROM {head}")
    assert verify().fault is Fault.HEAD
    later = write(1)[0]
    assert verify().event_id == later.pk


def test_swapped_events_are_detected() -> None:
    first, second, third = write(3)
    unguard()
    for old, new in ((second.pk, 10**6), (third.pk, second.pk), (10**6, third.pk)):
        sql("UPDATE {table} SET id = %s WHERE id = %s", new, old)
    found = verify()
    assert (found.fault, found.event_id) == (Fault.REORDERED, second.pk)
    assert first.pk < second.pk


# A copy has a good fingerprint, a new one none.
@cases("fingerprint", ["hash", "'0'"])
def test_inserted_event_is_detected(fingerprint: str) -> None:
    events = write(2)
    put_in(events[0].pk, fingerprint)
    found = verify()
    assert found.fault in {Fault.MISSING, Fault.CHANGED}
    assert found.event_id > events[1].pk


def test_restored_older_copy_is_detected_by_an_anchor_only() -> None:
    events = write(3)
    head = AuditHead.objects.get()
    noted = f"{write(1)[0].pk}:{AuditEvent.objects.order_by('pk').last().hash}"  # type: ignore[union-attr]
    assert "unbroken" in list_messages("--anchor", noted)
    unguard()
    sql("DELETE FROM {table} WHERE id > %s", events[2].pk)
    sql("UPDATE {head} SET last = %s, last_id = %s, seal = %s", head.last, head.last_id, head.seal)
    assert verify().fault is None
    with pytest.raises(CommandError, match="noted elsewhere"):
        list_messages("--anchor", noted)


def test_command_names_the_first_broken_event_and_fails() -> None:
    events = write(4)
    unguard()
    for event in events[1:3]:
        sql("UPDATE {table} SET actor = 'x' WHERE id = %s", event.pk)
    with pytest.raises(CommandError, match=f"event {events[1].pk} is not as it was") as raised:
        list_messages()
    assert raised.value.returncode == 1


def test_chain_verifies_with_fallback_keys_and_not_with_another_key(settings: Any) -> None:
    write(2)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret-that-is-long-enough"
    assert verify().fault is Fault.CHANGED
    settings.SECRET_KEY_FALLBACKS = [old]
    assert verify().fault is None
    write(2)
    assert (verify().fault, verify().count) == (None, 4)


def test_rolled_back_change_leaves_no_event() -> None:
    write(1)
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    assert (verify().fault, verify().count) == (None, 1)
    write(1)
    assert verify().fault is None


def test_database_refuses_to_change_an_event() -> None:
    (event,) = write(1)
    with pytest.raises(DatabaseError), transaction.atomic():
        sql("UPDATE {table} SET actor = 'x' WHERE id = %s", event.pk)
    assert verify().fault is None


def test_daily_verification_is_shown_on_the_page_and_in_the_metrics(
    as_role: Any, caplog: Any
) -> None:
    (event,) = write(1, vdn_id=88)
    jobs.verify_audit.call_local()
    assert REGISTRY.get_sample_value("callboard_audit_broken") == 0
    client: Client = as_role("auditor")
    page = client.get("/vdn/88/audit/").content.decode()
    assert 'data-audit="whole"' in page
    assert "intact" in page
    unguard()
    sql("UPDATE {table} SET actor = 'x' WHERE id = %s", event.pk)
    jobs.verify_audit.call_local()
    assert REGISTRY.get_sample_value("callboard_audit_broken") == 1
    assert "audit_broken" in caplog.text
    page = client.get("/vdn/88/audit/").content.decode()
    assert 'data-audit="broken"' in page
    assert f"Event {event.pk} was changed after it was written." in page
    assert AuditHead.objects.get().checked_at.astimezone(UTC).year >= 2025  # type: ignore[union-attr]
