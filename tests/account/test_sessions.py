"""Sessions: their list, their end, and their limits."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from isales_proxy.models import AuditAction, AuditEvent, TokenScope, User
from tests.support.cases import cases
from tests.support.second_factor import LOG_IN, PASSWORD, log_in
from tests.support.tokens import as_program

pytestmark = pytest.mark.django_db

LIST = "/vdn/88/result-codes/"
SESSIONS = "/accounts/sessions/"
BEGIN = "2026-03-01 08:00:00Z"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def is_in(client: Client, **headers: str) -> bool:
    return client.get(LIST, headers=headers).status_code == 200


def numbers(client: Client) -> list[int]:
    """List the sessions on the page that can be ended."""
    text = client.get(SESSIONS).content.decode()
    return [int(number) for number in re.findall(r'name="session" value="(\d+)"', text)]


def test_list_shows_device_address_and_the_current_session(people: dict[str, User]) -> None:
    here = log_in("supervisor")
    other = Client(headers={"User-Agent": FIREFOX}, REMOTE_ADDR="192.0.2.9")
    log_in("supervisor", client=other)
    text = here.get(SESSIONS).content.decode()
    assert "Firefox · Windows" in text
    assert "192.0.2.9" in text
    assert text.count("data-current") == 1
    assert len(numbers(here)) == 1


def test_session_times_are_in_the_readers_zone(people: dict[str, User]) -> None:
    """The zone is that of the page, not that of the installation."""
    people["supervisor"].time_zone = "Asia/Shanghai"
    people["supervisor"].save()
    with time_machine.travel(BEGIN, tick=False):
        text = log_in("supervisor").get(SESSIONS).content.decode()
    assert re.search(r'data-field="began"[^>]*>16:00<', text)
    assert "Times in Asia/Shanghai (UTC+08:00)" in text


def test_ended_session_is_logged_out_at_once(people: dict[str, User]) -> None:
    here, other, third = (log_in("supervisor") for _ in range(3))
    assert is_in(other)
    key = other.session.session_key
    row = UserSession.objects.get(session_key=key)
    assert here.post(SESSIONS, {"session": row.pk}).status_code == 302
    assert not is_in(other)
    assert is_in(here)
    assert is_in(third)
    event = AuditEvent.objects.filter(action=AuditAction.SESSION_REVOKED).get()
    assert (event.actor, event.subject) == ("supervisor", "supervisor")


def test_all_other_sessions_are_ended_at_once(people: dict[str, User]) -> None:
    here, other, third = (log_in("supervisor") for _ in range(3))
    assert is_in(other)
    here.post(SESSIONS)
    assert [is_in(client) for client in (here, other, third)] == [True, False, False]
    assert numbers(here) == []


def test_session_of_another_person_cannot_be_ended(people: dict[str, User]) -> None:
    here, other = log_in("supervisor"), log_in("auditor")
    row = UserSession.objects.get(user=people["auditor"])
    here.post(SESSIONS, {"session": row.pk})
    assert is_in(other)


@cases("wrong", ["x", "-1", "1;2", "9" * 30, "²"])
def test_invalid_session_id_is_404(people: dict[str, User], wrong: str) -> None:
    assert log_in("supervisor").post(SESSIONS, {"session": wrong}).status_code == 404


def test_admin_ends_the_sessions_of_managed_people_only(people: dict[str, User]) -> None:
    theirs, beyond, admin = log_in("supervisor"), log_in("both"), log_in("admin")
    assert is_in(theirs)
    form: dict[str, Any] = {
        "action": "end_sessions",
        "_selected_action": [people["supervisor"].pk, people["both"].pk],
    }
    asked = admin.post("/admin/isales_proxy/user/", form, follow=True)
    assert b"This logs them out everywhere" in asked.content
    assert is_in(theirs)
    admin.post("/admin/isales_proxy/user/", form | {"confirmed": "yes"})
    assert not is_in(theirs)
    assert is_in(beyond)
    event = AuditEvent.objects.filter(action=AuditAction.SESSION_REVOKED).get()
    assert (event.actor, event.subject) == ("admin", "supervisor")


@cases("action", ["end_sessions", "reset_second_factor"])
def test_admin_action_that_ends_sessions_revokes_tokens(
    people: dict[str, User], action: str
) -> None:
    theirs, client = as_program(people["supervisor"], TokenScope.READ), log_in("supervisor")
    beyond = as_program(people["both"], TokenScope.READ)
    form = {
        "action": action,
        "_selected_action": [people["supervisor"].pk, people["both"].pk],
        "confirmed": "yes",
    }
    log_in("admin").post("/admin/isales_proxy/user/", form)
    # Of the second factor, too: this person has none, and is wanted out all the same.
    assert not is_in(client)
    assert theirs.get("/api/v1/vdns/").status_code == 401
    assert beyond.get("/api/v1/vdns/").status_code == 200


@pytest.mark.parametrize("by", ["admin", "system"])
def test_password_set_by_another_person_ends_sessions_and_tokens(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    person, secret = people["supervisor"], "A-longer-secret-7"
    theirs, client = as_program(person, TokenScope.READ), log_in("supervisor")
    if by == "admin":
        page, admin = f"/admin/isales_proxy/user/{person.pk}/password/", log_in("admin")
        assert b"revokes their API tokens" in admin.get(page).content
        new = {"usable_password": "true", "password1": secret, "password2": secret}
        assert admin.post(page, new | {"set-password": ""}).status_code == 302
    else:
        monkeypatch.setenv("NEW", secret)
        arguments = ("supervisor", "--role=supervisor", "--vdn=88", "--password-env=NEW")
        call_command("adduser", *arguments, stdout=StringIO())
    assert theirs.get("/api/v1/vdns/").status_code == 401
    assert not is_in(client)
    for action in (AuditAction.TOKEN_REVOKED, AuditAction.SESSION_REVOKED):
        event = AuditEvent.objects.filter(action=action).get()
        assert (event.actor, event.person_id) == (by, person.pk)


def test_other_roles_cannot_end_sessions_of_others(people: dict[str, User]) -> None:
    theirs, auditor = log_in("supervisor"), log_in("auditor")
    form = {
        "action": "end_sessions",
        "_selected_action": [people["supervisor"].pk],
        "confirmed": "yes",
    }
    assert auditor.post("/admin/isales_proxy/user/", form).status_code == 403
    assert is_in(theirs)


def test_changing_the_own_password_ends_other_sessions_and_no_token(
    people: dict[str, User],
) -> None:
    here, other = log_in("supervisor"), log_in("supervisor")
    program = as_program(people["supervisor"], TokenScope.READ)
    assert b"API tokens keep working" in here.get("/accounts/password/change/").content
    form = {
        "oldpassword": PASSWORD,
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert is_in(here)
    assert not is_in(other)
    assert numbers(here) == []
    assert program.get("/api/v1/vdns/").status_code == 200


def test_deactivated_person_is_logged_out_at_once(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    User.objects.filter(username="supervisor").update(is_active=False)
    assert not is_in(client)
    assert client.get("/api/v1/vdns/").status_code == 401
    User.objects.filter(username="supervisor").update(is_active=True)


def test_log_in_changes_the_session_key(people: dict[str, User]) -> None:
    client = Client()
    client.get(LOG_IN)
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    client.cookies["callboard-session"] = session.session_key
    log_in("supervisor", client=client)
    assert is_in(client)
    assert client.session.session_key != session.session_key
    thief = Client()
    thief.cookies["callboard-session"] = session.session_key
    assert not is_in(thief)


def test_inactive_session_is_logged_out(people: dict[str, User], settings: Any) -> None:
    settings.SIGN_IN = replace(settings.SIGN_IN, idle_minutes=30)
    with time_machine.travel(BEGIN, tick=False) as clock:
        client = log_in("supervisor")
        for _ in range(3):
            clock.shift(29 * 60)
            assert is_in(client)
        clock.shift(31 * 60)
        answer = client.get(LIST, follow=True)
        assert answer.redirect_chain
        assert b"you were inactive" in answer.content


def test_polling_does_not_prolong_a_session(people: dict[str, User], settings: Any) -> None:
    settings.SIGN_IN = replace(settings.SIGN_IN, idle_minutes=30)
    with time_machine.travel(BEGIN, tick=False) as clock:
        client = log_in("supervisor")
        for _ in range(2):
            clock.shift(14 * 60)
            assert is_in(client, **{"X-Poll": "1"})
        clock.shift(4 * 60)
        assert not is_in(client, **{"X-Poll": "1"})
        assert not is_in(client)


def test_session_ends_after_its_maximum_duration(people: dict[str, User], settings: Any) -> None:
    settings.SIGN_IN = replace(settings.SIGN_IN, hours=2)
    with time_machine.travel(BEGIN, tick=False) as clock:
        client = log_in("supervisor")
        for _ in range(4):
            clock.shift(29 * 60)
            assert is_in(client)
        clock.shift(5 * 60)
        assert not is_in(client)
        assert client.get("/api/v1/vdns/").status_code == 401


def test_last_activity_is_stored_once_a_minute(people: dict[str, User]) -> None:
    with time_machine.travel(BEGIN, tick=False) as clock:
        client = log_in("supervisor")
        client.get("/accounts/sessions/")

        def last_seen() -> Any:
            return UserSession.objects.get(user=people["supervisor"]).last_seen_at

        at_first = last_seen()
        clock.shift(50)
        is_in(client)
        assert last_seen() == at_first
        clock.shift(15)
        is_in(client)
        assert (last_seen() - at_first).total_seconds() == 65


def test_session_without_a_record_is_recorded(people: dict[str, User]) -> None:
    client = log_in("supervisor")
    UserSession.objects.all().delete()
    session = client.session
    del session["began"]
    session.save()
    assert is_in(client)
    assert UserSession.objects.filter(session_key=session.session_key).exists()


def test_password_set_by_an_admin_must_be_changed_first(people: dict[str, User]) -> None:
    admin, person = log_in("admin"), people["agent"]
    form = {"usable_password": "true", "password1": "Set-by-admin-7", "password2": "Set-by-admin-7"}
    admin.post(f"/admin/isales_proxy/user/{person.pk}/password/", form)
    client = log_in("agent", "Set-by-admin-7")
    answer = client.get(LIST)
    assert answer.headers["Location"].startswith("/accounts/password/change/?next=")
    assert client.get("/api/v1/vdns/").status_code == 403
    form = {
        "oldpassword": "Set-by-admin-7",
        "password1": "My-own-secret-8",
        "password2": "My-own-secret-8",
    }
    client.post("/accounts/password/change/", form)
    assert is_in(client)
    assert is_in(log_in("agent", "My-own-secret-8"))


def test_records_of_ended_sessions_are_deleted(people: dict[str, User]) -> None:
    with time_machine.travel(BEGIN, tick=False) as clock:
        log_in("supervisor")
        clock.shift(11 * 3600)
        later = log_in("auditor")
        clock.shift(2 * 3600)
        call_command("apply_retention", stdout=StringIO())
        assert [row.user for row in UserSession.objects.all()] == [people["auditor"]]
        assert Session.objects.count() == 1
        assert is_in(later)
