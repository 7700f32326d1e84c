"""Log-ins in the audit: successful, failed, locked out and ended, in limited number."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from prometheus_client import REGISTRY

from dashboard.account import log_in_audit
from isales_proxy.audit.verify import verify
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import AuditAction, AuditEvent, SignInAttempt, User
from tests.support.cases import cases

pytestmark = pytest.mark.django_db

LOG_IN = "/accounts/login/"
PASSWORD = "pass-word-1"
WRONG = "wrong-word-1"


def attempt(name: str, password: str = WRONG, address: str = "192.0.2.1") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post(LOG_IN, {"login": name, "password": password})
    return client


def list_messages(action: AuditAction) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


def test_log_in_and_log_out_are_recorded(people: dict[str, User]) -> None:
    attempt("agent", PASSWORD).post("/accounts/logout/")
    came, left = AuditEvent.objects.order_by("pk")
    for event, action in ((came, AuditAction.LOGGED_IN), (left, AuditAction.LOGGED_OUT)):
        assert (event.action, event.actor, event.actor_id) == (action, "agent", people["agent"].pk)
        assert (event.address, event.vdn_id) == ("192.0.2.1", None)


def test_failed_log_in_is_recorded_without_claiming_the_actor(people: dict[str, User]) -> None:
    attempt("agent")
    (event,) = list_messages(AuditAction.LOG_IN_FAILED)
    assert (event.actor, event.actor_id, event.person_id) == ("agent", None, people["agent"].pk)
    assert event.address == "192.0.2.1"
    stored = str(list(AuditEvent.objects.values()))
    assert WRONG not in stored
    assert list_messages(AuditAction.LOGGED_IN) == []


@cases("name", ["Correct-Horse-9!", "<script>alert(1)</script>", "名字", "n" * 140])
@cases("times", [1, 8])
def test_unknown_name_is_stored_as_letter_and_fingerprint(db: None, name: str, times: int) -> None:
    for _ in range(times):
        attempt(name)
    events = AuditEvent.objects.all()
    # Equal names are seen to be equal, also when they are locked out.
    (actor,) = set(events.values_list("actor", flat=True))
    assert re.fullmatch(r"(.)… \([a-z]{8}\)", actor)
    assert actor[0] == name[0]
    assert name not in str(list(events.values()))
    assert name not in str(list(SignInAttempt.objects.values()))


def test_fingerprint_of_a_name_depends_on_the_secret_key(db: None, settings: Any) -> None:
    attempt("Correct-Horse-9!")
    settings.SECRET_KEY = "another key altogether, of another installation"
    attempt("Correct-Horse-9!")
    assert AuditEvent.objects.values("actor").distinct().count() == 2


def test_recorded_name_has_a_maximum_length(db: None) -> None:
    attempt("n" * 150)
    attempt("n" * 5000)
    (event,) = list_messages(AuditAction.LOG_IN_FAILED)
    assert len(event.actor) <= 150


def test_lock_out_is_recorded_once(people: dict[str, User]) -> None:
    for _ in range(12):
        attempt("agent")
    assert len(list_messages(AuditAction.LOG_IN_FAILED)) == 6
    (event,) = list_messages(AuditAction.LOG_IN_LOCKED)
    assert (event.actor, event.person_id, event.address) == (
        "agent",
        people["agent"].pk,
        "192.0.2.1",
    )


def test_events_for_guesses_from_one_address_are_limited(people: dict[str, User]) -> None:
    for number in range(40):
        attempt(f"nobody{number}")
    assert len(list_messages(AuditAction.LOG_IN_FAILED)) == 20
    assert len(list_messages(AuditAction.LOG_IN_LOCKED)) == 1


def test_throttled_log_ins_are_recorded_once_a_minute(db: None, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "1/m/ip"}
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    for minute in range(2):
        with time_machine.travel(now + timedelta(minutes=2 * minute), tick=False):
            for address in ("192.0.2.1", "192.0.2.2"):
                client = Client(REMOTE_ADDR=address)
                wrong = {"login": "nobody", "password": WRONG}
                statuses = [client.post(LOG_IN, wrong).status_code for _ in range(4)]
                assert statuses == [303, 429, 429, 429]
                # Also where the cache is away.
                cache.delete_many([f"too-many:{hash_key(address)}"])
                assert b"Too many attempts" in client.post(LOG_IN, wrong).content
    events = list_messages(AuditAction.LOG_IN_LOCKED)
    assert [event.address for event in events] == ["192.0.2.1", "192.0.2.2"] * 2
    assert {(event.actor, event.person_id, event.reason) for event in events} == {
        ("?", None, "too many requests")
    }


def test_events_for_guesses_from_many_addresses_are_limited_and_counted(
    people: dict[str, User], monkeypatch: Any
) -> None:
    monkeypatch.setattr(log_in_audit, "MOST_A_MINUTE", 5)
    before = REGISTRY.get_sample_value("callboard_log_ins_failed_total") or 0
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        for number in range(15):
            attempt(f"nobody{number}", address=f"192.0.2.{number}")
        events = list_messages(AuditAction.LOG_IN_FAILED)
        assert [event.detail for event in events] == [{}] * 5 + [{"more_than": 5}]
    with time_machine.travel(now + timedelta(seconds=61), tick=False):
        attempt("nobody", address="192.0.2.99")
    assert len(list_messages(AuditAction.LOG_IN_FAILED)) == 7
    assert REGISTRY.get_sample_value("callboard_log_ins_failed_total") == before + 16
    assert verify().fault is None


def test_wrong_password_at_reauthentication_is_recorded_as_a_failed_log_in(
    as_role: Any, people: Any
) -> None:
    as_role("agent").post("/accounts/reauthenticate/", {"password": WRONG})
    (event,) = list_messages(AuditAction.LOG_IN_FAILED)
    assert event.person_id == people["agent"].pk
