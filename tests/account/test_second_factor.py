"""Second factors: set-up, log-in, requirement, encryption, limits of guesses, reset."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client

from isales_proxy.models import AuditAction, AuditEvent, User
from tests.support.second_factor import GIVE, INDEX, LOG_IN, SET_UP, code, log_in, set_up_app

# What is recorded once a transaction is done is recorded in these tests, too.
pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/vdn/88/result-codes/"
CODES = "/accounts/second-factor/recovery-codes/"


def recovery_codes(client: Client) -> list[str]:
    return re.findall(r"<li>(\d{8})</li>", client.get(CODES).content.decode())


def is_in(client: Client) -> bool:
    return client.get(LIST).status_code == 200


def changes() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(action=AuditAction.SECOND_FACTOR_CHANGED).order_by("id")
    return [(row.detail["change"], row.detail["kinds"][0]) for row in rows]


def test_password_alone_does_not_log_in_with_an_authenticator_app(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        secret = set_up_app(log_in("supervisor"))
        clock.shift(40)
        client = log_in("supervisor")
        assert not is_in(client)
        assert client.get(GIVE).status_code == 200
        assert client.post(GIVE, {"code": "000000"}).status_code == 303
        assert not is_in(client)
        assert client.post(GIVE, {"code": code(secret)}).status_code == 302
        assert is_in(client)


def test_code_works_once(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        secret = set_up_app(log_in("supervisor"))
        # That of the set-up, too.
        early = log_in("supervisor")
        early.post(GIVE, {"code": code(secret)})
        assert not is_in(early)
        clock.shift(40)
        first, second = log_in("supervisor"), log_in("supervisor")
        first.post(GIVE, {"code": code(secret)})
        second.post(GIVE, {"code": code(secret)})
        assert (is_in(first), is_in(second)) == (True, False)


def test_code_of_the_previous_step_is_accepted_once(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        secret = set_up_app(log_in("supervisor"))
        clock.shift(120)
        typed = code(secret)
        clock.shift(30)
        first = log_in("supervisor")
        first.post(GIVE, {"code": f"{typed[:3]} {typed[3:]}"})
        assert is_in(first)
        ahead = code(secret)
        clock.shift(-30)
        fast = log_in("supervisor")
        fast.post(GIVE, {"code": ahead})
        assert is_in(fast)
        # The step of that code ends only now: it is still in time, but was used.
        clock.shift(59)
        replayed = log_in("supervisor")
        for used in (ahead, f"{ahead[:3]}-{ahead[3:]}"):
            replayed.post(GIVE, {"code": used})
            assert not is_in(replayed)
        clock.shift(60)
        late = log_in("supervisor")
        late.post(GIVE, {"code": ahead})
        assert not is_in(late)


def test_recovery_code_works_once(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    codes = recovery_codes(client)
    assert len(set(codes)) == 10
    first, second = log_in("supervisor"), log_in("supervisor")
    first.post(GIVE, {"code": codes[0]})
    second.post(GIVE, {"code": codes[0]})
    assert (is_in(first), is_in(second)) == (True, False)
    assert codes[0] not in recovery_codes(first)
    assert codes[1] in recovery_codes(first)
    download = first.get(f"{CODES}download/").content.decode()
    assert download.split() == codes[1:]


def test_new_recovery_codes_replace_the_old_ones(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    old = recovery_codes(client)
    client.post(f"{CODES}generate/")
    assert not set(old) & set(recovery_codes(client))
    other = log_in("supervisor")
    other.post(GIVE, {"code": old[3]})
    assert not is_in(other)
    assert sorted(changes()) == [
        ("added", "recovery_codes"),
        ("added", "totp"),
        ("renewed", "recovery_codes"),
    ]


def test_secrets_are_encrypted_in_the_database(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    secret = set_up_app(client)
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    for each in recovery_codes(client):
        assert each not in kept
    assert kept.count("gAAAA") == 2
    events = str(list(AuditEvent.objects.values_list("detail", "subject", "reason")))
    assert secret not in events


def test_secret_encrypted_with_another_key_refuses_like_a_wrong_code(
    people: dict[str, User], settings: Any
) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        secret = set_up_app(log_in("supervisor"))
        clock.shift(40)
        settings.SECRET_KEY = "another key altogether, of the same installation"
        client = log_in("supervisor")
        answer = client.post(GIVE, {"code": code(secret)})
        assert answer.status_code == 303
        assert not is_in(client)


def test_wrong_codes_are_limited_per_person(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        secret = set_up_app(log_in("supervisor"))
        clock.shift(40)
        client = log_in("supervisor")
        for number in range(6):
            client.post(GIVE, {"code": f"00000{number}"}, REMOTE_ADDR=f"192.0.2.{number}")
        other = log_in("supervisor")
        other.post(GIVE, {"code": code(secret)}, REMOTE_ADDR="192.0.2.77")
        assert not is_in(other)
        failed = AuditEvent.objects.filter(action=AuditAction.LOG_IN_FAILED)
        assert failed.count() == 6
        assert set(failed.values_list("reason", "person_id")) == {
            ("second factor", people["supervisor"].pk)
        }
        locked = AuditEvent.objects.get(action=AuditAction.LOG_IN_LOCKED)
        assert locked.address == "192.0.2.77"
        clock.shift(600)
        other.post(GIVE, {"code": code(secret)}, REMOTE_ADDR="192.0.2.77")
        assert is_in(other)


def test_set_up_requires_recent_authentication(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        client = log_in("supervisor")
        clock.shift(20 * 60)
        answer = client.get(SET_UP)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
        again = "/accounts/reauthenticate/?next=" + SET_UP
        assert client.post(again, {"password": "wrong"}).status_code == 303
        assert client.get(SET_UP).status_code == 302
        assert client.post(again, {"password": "pass-word-1"}).status_code == 302
        assert client.get(SET_UP).status_code == 200


def test_wrong_passwords_at_reauthentication_are_limited(people: dict[str, User]) -> None:
    with time_machine.travel("2026-03-01 10:00:00Z", tick=False) as clock:
        client = log_in("supervisor")
        clock.shift(20 * 60)
        tries = [
            client.post("/accounts/reauthenticate/", {"password": f"no-{number}"}).status_code
            for number in range(12)
        ]
        assert tries[0] == 303
        assert tries[-1] == 429
        client.post("/accounts/reauthenticate/", {"password": "pass-word-1"})
        assert client.get(SET_UP).status_code == 302


def test_adding_the_first_second_factor_ends_other_sessions(people: dict[str, User]) -> None:
    elsewhere, here = log_in("supervisor"), log_in("supervisor")
    assert is_in(elsewhere)
    set_up_app(here)
    assert is_in(here)
    assert not is_in(elsewhere)


def test_second_factor_can_be_removed_where_not_required(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    client.post("/accounts/second-factor/totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert is_in(log_in("supervisor"))
    assert ("removed", "totp") in changes()


@pytest.fixture
def required(settings: Any) -> None:
    """Supervisors and admins must have a second factor."""
    settings.SIGN_IN = replace(
        settings.SIGN_IN, second_factor_for=frozenset({"supervisor", "admin"})
    )


def test_person_without_a_required_second_factor_reaches_only_its_set_up(
    people: dict[str, User], required: None
) -> None:
    client = log_in("supervisor")
    for path in ("/", LIST, "/vdn/88/tasks/", "/accounts/", "/accounts/sessions/", "/api/docs/"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, INDEX), path
    answer = client.post("/vdn/88/write-backs/new/", {})
    assert (answer.status_code, answer.headers["Location"]) == (302, INDEX)
    assert log_in("admin").get("/admin/").headers["Location"] == INDEX


def test_missing_second_factor_is_answered_in_the_format_of_the_request(
    people: dict[str, User], required: None
) -> None:
    client = log_in("supervisor")
    fragment = client.get(LIST, headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (403, INDEX)
    assert b"data-" not in fragment.content
    program = client.get("/api/v1/vdns/")
    assert program.status_code == 403
    assert program.headers["Content-Type"] == "application/problem+json"
    assert program.json()["type"] == "urn:callboard:problem:sign-in-incomplete"


def test_setting_up_a_second_factor_opens_everything(
    people: dict[str, User], required: None
) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    assert is_in(client)
    assert client.get("/api/v1/vdns/").status_code == 200


def test_roles_without_the_requirement_need_no_second_factor(
    people: dict[str, User], required: None
) -> None:
    assert is_in(log_in("agent"))


def test_last_required_second_factor_cannot_be_removed(
    people: dict[str, User], required: None
) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    address = "/accounts/second-factor/totp/deactivate/"
    assert b"data-last" in client.get(address).content
    refused = client.post(address)
    assert (refused.status_code, refused.headers["Location"]) == (303, address)
    assert Authenticator.objects.filter(type="totp").exists()


def test_older_session_must_give_the_required_second_factor(
    people: dict[str, User], settings: Any
) -> None:
    client = log_in("supervisor")
    other = log_in("supervisor")
    set_up_app(other)
    # Ended sessions apart, one may have been begun by a way that does not ask.
    client.force_login(people["supervisor"])
    assert is_in(client)
    settings.SIGN_IN = replace(settings.SIGN_IN, second_factor_for=frozenset({"supervisor"}))
    answer = client.get(LIST)
    again = "/accounts/second-factor/reauthenticate/"
    assert answer.headers["Location"] == f"{again}?next=%2Fvdn%2F88%2Fresult-codes%2F"
    assert client.get(SET_UP).status_code == 302
    codes = recovery_codes(other)
    client.post(again, {"code": codes[0]})
    assert is_in(client)


def test_admin_resets_a_second_factor_after_confirmation(people: dict[str, User]) -> None:
    person = people["supervisor"]
    theirs = log_in("supervisor")
    set_up_app(theirs)
    admin = log_in("admin")
    listed = admin.get("/admin/isales_proxy/user/").content.decode()
    assert re.search(r'field-second_factor">authenticator app<', listed)
    form = {"action": "reset_second_factor", "_selected_action": [person.pk]}
    asked = admin.post("/admin/isales_proxy/user/", form, follow=True)
    assert b"Yes, do it" in asked.content
    assert Authenticator.objects.filter(user=person).exists()
    admin.post("/admin/isales_proxy/user/", form | {"confirmed": "yes"})
    assert not Authenticator.objects.filter(user=person).exists()
    assert not is_in(theirs)
    event = AuditEvent.objects.filter(action=AuditAction.SECOND_FACTOR_CHANGED).first()
    assert event is not None
    assert (event.actor, event.subject, event.detail["change"]) == ("admin", "supervisor", "reset")
    assert is_in(log_in("supervisor"))


def test_admin_cannot_reset_a_foreign_persons_second_factor(people: dict[str, User]) -> None:
    set_up_app(log_in("both"))
    admin = log_in("admin")
    form = {
        "action": "reset_second_factor",
        "_selected_action": [people["both"].pk],
        "confirmed": "yes",
    }
    admin.post("/admin/isales_proxy/user/", form)
    assert Authenticator.objects.filter(user=people["both"]).exists()


def test_half_finished_log_in_opens_no_page(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    set_up_app(client)
    half = log_in("supervisor")
    for path in (INDEX, CODES, SET_UP, LIST, "/api/v1/vdns/", "/admin/"):
        assert half.get(path).status_code in {302, 401}, path
    assert half.get(LOG_IN).status_code in {200, 302}
