"""One token for all threads of all processes, renewed once, stored encrypted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from isales_proxy.client.tokens import Token
from isales_proxy.core import encryption
from isales_proxy.models import BearerToken, Vdn
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    Simulator,
)
from isales_proxy.vendor import gateway
from isales_proxy.vendor.token_store import DatabaseTokenStore
from tests.support import clock, starts
from tests.support.starts import Process

pytestmark = pytest.mark.processes

THREADS, PROCESSES = 16, 3

ASK = f"""
import sys, threading, django
django.setup()
from isales_proxy.vendor import gateway
from isales_proxy.models import Vdn
vdn = Vdn.objects.get(pk=88)
print("ready", flush=True)
sys.stdin.readline()
failures = []
def send_request():
    try:
        gateway.get_client(vdn).list_outbound_tasks(vdn=88, cc_id=1)
    except Exception as error:
        failures.append(repr(error))
threads = [threading.Thread(target=send_request) for _ in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(failures), failures[:1], flush=True)
"""


def environment(vendor: Simulator, var: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        **clock.variables(),
        "CALLBOARD_ENV_FILE": "",
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "SECRET_KEY": "only-for-this-test",
        "ISALES_BASE_URL": vendor.base_url,
        "ISALES_ACCESS_KEY": DEMO_ACCESS_KEY,
        "ISALES_SECRET_KEY": DEMO_SECRET_KEY,
        "ISALES_APP_KEY": DEMO_APP_KEY,
        "ISALES_APP_SECRET": DEMO_APP_SECRET,
    }


def test_sixteen_threads_of_three_processes_cause_one_token_call(tmp_path: Path) -> None:
    with Simulator(rows=20) as vendor:
        env = environment(vendor, tmp_path)
        starts.run(["manage.py", "migrate", "-v0"], env).check_returncode()
        children = [
            Process(["-c", ASK], env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(PROCESSES)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.close()
        told = [child.communicate(timeout=60)[0].strip() for child in children]
        assert told == ["0 []"] * PROCESSES
        assert len(vendor.calls.filter(FETCH_TOKEN)) == 1
        assert len(vendor.calls.filter(LIST_OUTBOUND_TASKS)) == THREADS * PROCESSES


@pytest.mark.django_db(transaction=True)
def test_token_is_stored_encrypted_and_reused_by_a_later_process(
    vendor: Simulator, people: Any
) -> None:
    vdn = Vdn.objects.get(pk=88)
    gateway.get_client(vdn).list_outbound_tasks(vdn=88, cc_id=1)
    kept = DatabaseTokenStore(settings.ISALES).read()
    assert kept is not None
    assert kept.value not in BearerToken.objects.get().sealed
    gateway.close()
    gateway.get_client(vdn).list_outbound_tasks(vdn=88, cc_id=1)
    assert len(vendor.calls.filter(FETCH_TOKEN)) == 1


@pytest.mark.django_db
def test_only_one_lock_is_granted_until_it_expires(settings: Any) -> None:
    now = [timezone.now()]
    mine, yours = (DatabaseTokenStore(settings.ISALES, now=lambda: now[0]) for _ in range(2))
    assert mine.try_lock(10)
    assert not yours.try_lock(10)
    mine.unlock()
    assert yours.try_lock(10)
    now[0] += timedelta(seconds=11)
    assert mine.try_lock(10)
    yours.unlock()
    assert not yours.try_lock(10)


@pytest.mark.django_db
def test_lock_dated_in_the_future_can_be_taken(settings: Any) -> None:
    """The holder died, and the clock was set back."""
    now = [timezone.now()]
    mine, yours = (DatabaseTokenStore(settings.ISALES, now=lambda: now[0]) for _ in range(2))
    assert mine.try_lock(10)
    now[0] -= timedelta(hours=1)
    assert yours.try_lock(10)
    assert not mine.try_lock(10)


@pytest.mark.django_db
def test_token_is_read_only_with_the_same_credentials(settings: Any) -> None:
    found = replace(settings.ISALES, app_key="one", app_secret="secret-one")
    token = Token(value="v", issued_at=timezone.now(), expires_at=None)
    DatabaseTokenStore(found).write(token)
    assert DatabaseTokenStore(found).read() is not None
    assert DatabaseTokenStore(replace(found, app_secret="secret-two")).read() is None
    settings.SECRET_KEY = "another"
    assert DatabaseTokenStore(found).read() is None


@pytest.mark.django_db
def test_token_of_another_release_is_no_token() -> None:
    store = DatabaseTokenStore(settings.ISALES)
    store.write(Token(value="v", issued_at=timezone.now(), expires_at=None))
    sealed = encryption.encrypt('{"value": "v", "shape": 2}', purpose="bearer-token")
    BearerToken.objects.update(sealed=sealed)
    assert store.read() is None


@pytest.mark.django_db
def test_token_is_kept_in_memory_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise DatabaseError("away")

    monkeypatch.setattr(BearerToken, "objects", Away())
    store = DatabaseTokenStore(settings.ISALES)
    assert store.read() is None
    assert store.try_lock(10)
    store.write(Token(value="v", issued_at=timezone.now(), expires_at=None))
    store.unlock()
    found = store.read()
    assert found is not None
    assert found.value == "v"


@pytest.mark.django_db(transaction=True)
def test_revoked_token_is_renewed_once_by_eight_threads(
    vendor: Simulator, people: Any, settings: Any
) -> None:
    # Eight threads of one busy machine may well be slow together.
    settings.ISALES = replace(settings.ISALES, read_timeout=10.0, deadline=20.0)
    vdn = Vdn.objects.get(pk=88)
    gateway.get_client(vdn).list_outbound_tasks(vdn=88, cc_id=1)
    vendor.tokens.revoke_all()
    gate = Barrier(8)
    failures: list[BaseException] = []

    def send_request() -> None:
        gate.wait()
        try:
            gateway.get_client(vdn).list_outbound_tasks(vdn=88, cc_id=1)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)
        finally:
            from django.db import connection

            connection.close()

    threads = [Thread(target=send_request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(vendor.calls.filter(FETCH_TOKEN)) == 2
