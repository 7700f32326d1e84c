"""Two admins end the sessions of the same people at once, in different orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from isales_proxy.simulator import Simulator
from tests.support.workers import at_scale

pytestmark = pytest.mark.processes

PEOPLE, ROUNDS = 6, 3
# The list is sorted by user name, by one admin upwards, by the other downwards.
SHUT_OUT = f"""
import threading
from datetime import timedelta
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.utils import timezone
from isales_proxy.models import ApiToken, User
names = [f"person{{number}}" for number in range({PEOPLE})]
everybody = [User.objects.create_user(name) for name in names]
admins = [User.objects.create_superuser(f"root{{number}}") for number in range(2)]
clients = [Client(SERVER_NAME="localhost") for _ in admins]
for client, admin in zip(clients, admins): client.force_login(admin)
told, start = [], threading.Barrier(2)
def press(client, order):
    try:
        start.wait()
        form = {{"action": "end_sessions", "confirmed": "yes",
                "_selected_action": [person.pk for person in everybody]}}
        told.append(client.post(f"/admin/isales_proxy/user/?o={{order}}", form).status_code)
    except Exception as error:
        told.append(repr(error))
    finally:
        connection.close()
for _ in range({ROUNDS}):
    for person in everybody:
        browser = Client(SERVER_NAME="localhost")
        browser.force_login(person)
        ApiToken.objects.create(user=person, name="t", scope="read", expiry=timedelta(days=1))
    pressed = [threading.Thread(target=press, args=pair) for pair in zip(clients, ("1", "-1"))]
    for thread in pressed: thread.start()
    for thread in pressed: thread.join()
    assert told == [302, 302], told
    told.clear()
    assert not UserSession.objects.filter(user__in=everybody).exists()
    assert not ApiToken.objects.exists()
"""


@pytest.mark.postgres
@pytest.mark.redis
def test_two_admins_changing_the_same_people_cause_no_deadlock_on_postgresql(
    tmp_path: Path,
) -> None:
    with Simulator(rows=5) as vendor, at_scale(vendor, tmp_path, jobs_db=14) as site:
        site.manage("shell", "-v0", "-c", SHUT_OUT)
        told = site.query("SELECT action, count(*) FROM isales_proxy_auditevent GROUP BY action")
        # Each is ended by one of the two alone.
        assert dict(told)["session.revoked"] == dict(told)["token.revoked"] == PEOPLE * ROUNDS
        assert "unbroken" in site.manage("verify_audit")
