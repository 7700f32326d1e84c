"""A database of a real CC-iSales is not used with the simulator, nor the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client

from isales_proxy import jobs
from isales_proxy.models import (
    CallDataBatch,
    MirrorRow,
    ResultCode,
    User,
    Vdn,
    VendorUse,
    WriteBackState,
)
from isales_proxy.simulator import Simulator
from isales_proxy.vendor import gateway, vendor_use
from isales_proxy.write_backs import services as write_backs
from tests.support.cases import cases
from tests.support.mirror import AT, make_row, mirror_rows
from tests.support.outbox import TASK, Outbox, scope_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(settings: Any) -> Iterator[Simulator]:
    """The simulator of an installation without configuration."""
    with Simulator(rows=60) as simulator:
        settings.SIMULATOR_URL = simulator.base_url
        yield simulator


@pytest.fixture
def real(people: dict[str, User], vendor: Simulator) -> Simulator:
    """The vendor of a database that has asked it once; its settings can be lost by `lose`."""
    call_command("refresh_result_codes", "--vdn", "88", stdout=StringIO())
    assert vendor.calls
    return vendor


def lose_configuration(settings: Any) -> None:
    settings.ISALES = replace(settings.ISALES, base_url="")


@cases(
    "command",
    [
        ("check_vendor",),
        ("deliver_write_backs",),
        ("refresh_result_codes",),
        ("demo",),
        ("run_stack", "--production", "--bind", "unix:/nowhere"),
        # They would seal the audit, and what is kept, with another key.
        ("adduser", "new", "--role", "agent", "--vdn", "88"),
        ("verify_audit",),
        ("apply_retention",),
        ("recover_call_data",),
    ],
)
def test_commands_refuse_the_simulator_on_real_data(
    real: Simulator,
    demo: Simulator,
    people: dict[str, User],
    settings: Any,
    command: tuple[str, ...],
) -> None:
    row = Outbox(scope_of(people["supervisor"])).write()
    codes = set(ResultCode.objects.values_list("code", flat=True))
    lose_configuration(settings)
    with pytest.raises(CommandError, match="ISALES_BASE_URL is not set"):
        call_command(*command, stdout=StringIO())
    jobs.deliver_every_minute.call_local()
    row.refresh_from_db()
    assert (row.state, row.attempts) == (WriteBackState.WAITING, 0)
    assert set(ResultCode.objects.values_list("code", flat=True)) == codes
    assert list(demo.calls) == []


@pytest.mark.parametrize("path", ["reservations/", "tasks/"])
def test_pages_report_a_missing_vendor_configuration(
    real: Simulator, demo: Simulator, as_role: Any, settings: Any, path: str
) -> None:
    lose_configuration(settings)
    answer = as_role("supervisor").get(f"/vdn/88/{path}")
    assert answer.status_code == 503
    assert "CC-iSales is not set up" in answer.content.decode()
    assert list(demo.calls) == []


def test_doctor_reports_a_missing_vendor_configuration(
    real: Simulator, demo: Simulator, as_role: Any, settings: Any
) -> None:
    lose_configuration(settings)
    answer = as_role("admin").post("/vdn/88/doctor/", headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "its address is not set" in answer.content.decode()
    assert list(demo.calls) == []


@pytest.mark.django_db(transaction=True)
def test_call_data_is_not_taken_from_the_simulator_on_real_data(
    real: Simulator, demo: Simulator, as_role: Any, settings: Any
) -> None:
    lose_configuration(settings)
    answer = as_role("supervisor").post(
        f"/api/v1/vdns/88/tasks/{TASK}/call-data/",
        {"batch_count": 5, "confirm": True},
        content_type="application/json",
    )
    assert answer.status_code in {422, 503}
    assert list(demo.calls) == []
    assert not CallDataBatch.objects.exclude(rows=None).filter(rows__gt=0).exists()


def test_system_check_reports_a_missing_vendor_configuration(
    real: Simulator, settings: Any
) -> None:
    found = {each.id for each in run_checks(databases=["default"])}
    lose_configuration(settings)
    now = {each.id for each in run_checks(databases=["default"])}
    assert now - found == {"isales_proxy.E002"}


def test_database_used_with_the_simulator_is_not_marked_as_real(
    demo: Simulator, people: dict[str, User], as_role: Any
) -> None:
    outbox = Outbox(scope_of(people["supervisor"]))
    outbox.write()
    assert outbox.deliver().delivered == 1
    assert as_role("supervisor").get("/vdn/88/reservations/").status_code == 200
    assert VendorUse.objects.get().real_since is None


def test_write_backs_of_a_demo_never_reach_the_real_vendor(
    demo: Simulator, vendor: Simulator, people: dict[str, User], settings: Any
) -> None:
    found = settings.ISALES
    lose_configuration(settings)
    client = Client()
    client.force_login(people["supervisor"])
    assert client.get("/vdn/88/reservations/").status_code == 200
    scope = scope_of(people["supervisor"])
    outbox = Outbox(scope)
    outbox.now = VendorUse.objects.get().simulated_since
    row = outbox.write("u-demo")
    # As a process does that is started anew, with an address.
    gateway.close()
    settings.ISALES = found
    assert outbox.deliver().delivered == 0
    row.refresh_from_db()
    assert (row.state, row.problem) == (WriteBackState.CANCELLED, vendor_use.FROM_THE_DEMO)
    with pytest.raises(write_backs.WrongState, match="created in the demo"):
        write_backs.retry(scope=scope, pk=row.pk)
    assert list(vendor.write_backs) == []
    outbox.now = VendorUse.objects.get().real_since
    outbox.write("u-real")
    assert outbox.deliver().delivered == 1
    assert [body["uniqueId"] for body in vendor.write_backs] == ["u-real"]


def test_reservations_of_a_demo_do_not_stay_in_the_list_of_the_real_vendor(
    demo: Simulator, vendor: Simulator, settings: Any
) -> None:
    real = settings.ISALES
    lose_configuration(settings)
    gateway.ensure_allowed()
    mirror_rows(88, [make_row(1)], at=AT)
    settings.ISALES = real
    gateway.close()
    gateway.ensure_allowed()
    assert not MirrorRow.objects.exists()
    # Those that are there from then on are real.
    mirror_rows(88, [make_row(1)], at=AT)
    gateway.close()
    gateway.ensure_allowed()
    assert MirrorRow.objects.count() == 1


def test_vdn_with_its_own_keys_does_not_reach_the_simulator(
    real: Simulator, demo: Simulator, as_role: Any, settings: Any
) -> None:
    Vdn.objects.filter(pk=88).update(keys_version=1)
    lose_configuration(settings)
    assert as_role("supervisor").get("/api/v1/vdns/88/reservations/").status_code == 503
    assert list(demo.calls) == []
