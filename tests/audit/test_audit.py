"""Audit events: append-only, with person, time and address, readable only in one's own VDNs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from isales_proxy import access
from isales_proxy.audit import services as audit
from isales_proxy.audit.services import ContainsNumber
from isales_proxy.models import AuditAction, AuditEvent, Vdn
from isales_proxy.simulator import Simulator
from tests.support.cases import cases

LIST = "/admin/isales_proxy/auditevent/"


@pytest.fixture
def event(people: Any) -> AuditEvent:
    scope = access.enter(user=people["admin"], vdn_id=88)
    with audit.use_address(lambda: "192.0.2.7"):
        return audit.record(AuditAction.VENDOR_EXAMINED, by=scope, subject="all", calls=3)


def test_event_names_person_time_and_address(event: AuditEvent, people: Any) -> None:
    assert (event.actor, event.actor_id) == ("admin", people["admin"].pk)
    assert (event.address, event.vdn_id, event.detail) == ("192.0.2.7", 88, {"calls": 3})
    assert audit.record(AuditAction.CALL_DATA_PURGED, by=None).actor == "system"


def test_event_cannot_be_changed_or_deleted(event: AuditEvent) -> None:
    event.actor = "somebody else"
    with pytest.raises(PermissionDenied):
        event.save()
    with pytest.raises(PermissionDenied):
        event.delete()
    assert AuditEvent.objects.get().actor == "admin"


def test_event_outlives_the_people_it_names(event: AuditEvent, people: Any) -> None:
    people["admin"].delete()
    assert AuditEvent.objects.get().actor == "admin"


def test_admin_sees_events_of_own_vdns(event: AuditEvent, as_role: Any) -> None:
    audit.record(AuditAction.VENDOR_EXAMINED, by=None, vdn_id=89, subject="of the other one")
    page = as_role("admin").get(LIST).content.decode()
    assert "192.0.2.7" in page
    assert "of the other one" not in page
    assert as_role("supervisor").get(LIST).status_code == 403


@cases("path", ["add/", "1/delete/"])
def test_event_cannot_be_written_by_hand(event: AuditEvent, as_role: Any, path: str) -> None:
    assert as_role("admin").get(f"{LIST}{path}").status_code == 403


def test_event_has_the_address_of_the_request(vendor: Simulator, as_role: Any) -> None:
    client = as_role("admin")
    form = client.get("/admin/isales_proxy/vdn/88/change/")
    assert form.status_code == 200
    vdn = Vdn.objects.get(pk=88)
    client.post(
        "/admin/isales_proxy/vdn/88/change/",
        {"name": "New", "time_zone": vdn.time_zone, "cc_id": 2, "enabled": "on"},
        REMOTE_ADDR="192.0.2.9",
    )
    (event,) = AuditEvent.objects.filter(action=AuditAction.VDN_CHANGED)
    assert event.address == "192.0.2.9"
    assert event.detail["after"] == {"name": "New", "cc_id": 2}
    assert event.detail["before"]["name"] == "Support"


def test_event_has_the_forwarded_address_behind_a_unix_socket(client: Client, people: Any) -> None:
    wrong = {"login": "nobody", "password": "x"}
    client.post("/accounts/login/", wrong, REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="192.0.2.9")
    (event,) = AuditEvent.objects.filter(action=AuditAction.LOG_IN_FAILED)
    assert event.address == "192.0.2.9"


def test_event_cannot_be_written_outside_the_chain(people: Any) -> None:
    event = AuditEvent(at=timezone.now(), action=AuditAction.LOGGED_IN, actor="x")
    with pytest.raises(PermissionDenied):
        event.save()
    with pytest.raises(PermissionDenied):
        AuditEvent.objects.bulk_create([event])
    for change in (AuditEvent.objects.all().update, AuditEvent.objects.all().delete):
        with pytest.raises(PermissionDenied):
            change()
    assert not AuditEvent.objects.exists()


NUMBERS = (
    "13800001234",
    "+8613800001234",
    "138 0000 1234",
    "(138) 0000-1234",
    "138/0000/1234",
    "138_0000,1234",
    "１３８００００１２３４",
)


@pytest.mark.django_db
@cases("number", NUMBERS)
@cases("text", ["{}", "ring {} again", "客户{}要求", "{}.", "a{}b"])
def test_number_in_a_reason_is_masked(number: str, text: str) -> None:
    event = audit.record(AuditAction.NUMBER_REVEALED, by=None, reason=text.format(number))
    assert "•••" in event.reason
    assert sum(character.isdigit() for character in event.reason) == 2


@pytest.mark.django_db
@cases("text", ["since 2026-11-21", "at 2026-11-21 10:30", "ticket 123456", ""])
def test_dates_and_short_numbers_in_a_reason_are_unchanged(text: str) -> None:
    assert audit.record(AuditAction.NUMBER_REVEALED, by=None, reason=text).reason == text


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"said": "13800001234"},
        {"before": {"note": "ring +8613800001234"}},
        {"list": ["a", "电话13800001234"]},
        {"subject": "13800001234", "number": "13800001234"},
    ],
)
def test_number_in_other_fields_raises_in_strict_mode_and_is_masked_otherwise(
    settings: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ContainsNumber):
        audit.record(AuditAction.NUMBER_VIEWED, by=None, **wrong)
    settings.AUDIT_STRICT = False
    audit.record(AuditAction.NUMBER_VIEWED, by=None, **wrong)
    stored = str(list(AuditEvent.objects.values("subject", "detail")))
    assert "0000" not in stored
    assert "•••34" in stored


@pytest.mark.django_db
def test_ids_are_not_masked() -> None:
    event = audit.record(
        AuditAction.CALL_DATA_TAKEN,
        by=None,
        subject="1106025109",
        number="110",
        task="1106025109",
        unique_id="20261121000001",
        before={"agent_account": "1380000123"},
        rows=12345678,
        key="3fa9c12345678901",
    )
    assert event.subject == "1106025109"
    assert event.detail["unique_id"] == "20261121000001"
    assert event.detail["before"] == {"agent_account": "1380000123"}
