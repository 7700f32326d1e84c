"""The examination of the vendor: what is called, and what is told of a call that fails."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import translation

from isales_proxy import access
from isales_proxy.access import PermissionMissing, Scope
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.diagnostics import report as doctor_report
from isales_proxy.diagnostics import services as doctor
from isales_proxy.diagnostics.findings import InterfaceStatus
from isales_proxy.models import AuditAction, AuditEvent, User
from isales_proxy.simulator import (
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    LOG_IN,
    Simulator,
)
from isales_proxy.vendor import vdn_keys
from tests.support.doctor import asked, examined, fact, of

HARMLESS = {LIST_RESERVATIONS, LIST_RESULT_CODES, LIST_OUTBOUND_TASKS, FETCH_TOKEN, LOG_IN}
ROOT = Path(__file__).resolve().parents[3]


def test_each_interface_is_called_once(vendor: Simulator, scope: Scope) -> None:
    report = examined()
    assert asked(vendor) == {
        LIST_RESERVATIONS: 1,
        LIST_RESULT_CODES: 1,
        FETCH_TOKEN: 1,
        LIST_OUTBOUND_TASKS: 1,
    }
    assert [each.operation for each in report.interfaces] == [
        "list_reservations",
        "list_result_codes",
        "fetch_token",
        "list_outbound_tasks",
    ]
    assert all(each.answered and each.calls == 1 for each in report.interfaces)
    assert report.failed == ()
    assert report.probes is None


def test_a_token_in_force_is_used(vendor: Simulator, scope: Scope) -> None:
    examined()
    vendor.calls.clear()
    later = examined(clock=lambda: datetime.now(UTC) + timedelta(seconds=100))
    assert asked(vendor)[FETCH_TOKEN] == 0
    assert later.token is not None
    assert later.token.left is not None
    assert 95 < later.token.age < 160
    assert 3400 < later.token.left < 3505
    assert fact(later, "token", "left") == "58 min"


def test_probes_ask_the_list_of_reservations_alone(vendor: Simulator, scope: Scope) -> None:
    report = examined(probes=True)
    assert report.probes is not None
    calls = asked(vendor)
    assert calls[LIST_RESERVATIONS] == 1 + report.probes.calls <= 11
    assert set(calls) <= HARMLESS
    assert calls.total() == calls[LIST_RESERVATIONS] + 3


def test_what_takes_or_changes_is_not_even_named() -> None:
    sources = [*(ROOT / "isales_proxy/services").glob("doctor/*.py")]
    sources += [ROOT / "isales_proxy/management/commands/check_vendor.py"]
    sources += [ROOT / "dashboard/views/doctor.py"]
    assert len(sources) >= 7
    for path in sources:
        found = re.findall("call_data|mid_result|callnos|midresult", path.read_text("utf-8"), re.I)
        assert found == [], path


@pytest.mark.parametrize("kind", ["reset", "html", "status", "business", "half_body", "throttle"])
def test_nothing_else_is_called_and_nothing_repeated_whatever_goes_wrong(
    vendor: Simulator, scope: Scope, kind: str
) -> None:
    vendor.faults.add(kind, times=None)
    report = examined(probes=True)
    assert set(asked(vendor)) <= HARMLESS
    assert max(asked(vendor).values()) == 1
    assert report.probes is None
    assert {each.standing for each in report.interfaces} == {
        InterfaceStatus.FAILED,
        InterfaceStatus.NO_TOKEN,
    }
    assert len(report.failed) == len(report.interfaces) == 4


def test_a_vendor_that_is_down_is_told_for_each_interface(vendor: Simulator, scope: Scope) -> None:
    vendor.stop()
    report = examined(probes=True)
    assert len(report.failed) == 4
    assert fact(report, "list_reservations", "outcome") == "CC-iSales cannot be reached"
    assert fact(report, "list_outbound_tasks", "explanation") == "No token was got."
    assert fact(report, "list_reservations", "request")
    assert doctor_report.headline(report) == "0 of 4 interfaces answered."


def test_refused_keys_are_told(vendor: Simulator, scope: Scope, settings: Any) -> None:
    settings.ISALES = replace(settings.ISALES, secret_key="wrong", app_secret="wrong-too")
    report = examined()
    for name in ("list_reservations", "list_result_codes", "fetch_token"):
        assert of(report, name).standing is InterfaceStatus.FAILED
        assert of(report, name).http_status in {401, 403}
        assert fact(report, name, "outcome") == "CC-iSales refuses our keys"
    assert of(report, "list_outbound_tasks").standing is InterfaceStatus.NO_TOKEN


def test_a_revoked_token_is_renewed_once(vendor: Simulator, scope: Scope) -> None:
    examined()
    vendor.tokens.revoke_all()
    vendor.calls.clear()
    report = examined()
    assert asked(vendor)[LIST_OUTBOUND_TASKS] == 2
    assert asked(vendor)[FETCH_TOKEN] == 1
    assert of(report, "list_outbound_tasks").answered
    assert fact(report, "list_outbound_tasks", "calls") == "2"


def test_a_token_that_is_always_refused_is_told(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("unauthorized", operation=LIST_OUTBOUND_TASKS, times=None)
    report = examined()
    assert of(report, "fetch_token").answered
    assert of(report, "list_outbound_tasks").standing is InterfaceStatus.FAILED
    assert of(report, "list_outbound_tasks").http_status == 401
    assert [each.operation for each in report.failed] == ["list_outbound_tasks"]


def test_a_fixed_token_is_told_without_its_times(
    vendor: Simulator, scope: Scope, settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, obs_auth="static", token="a-token-of-the-operator")
    report = examined()
    assert fact(report, "token", "token") == "fixed, its times are not known"
    assert fact(report, "settings", "auth") == "fixed token"


@pytest.mark.parametrize("missing", [{"app_key": ""}, {"app_secret": ""}, {"obs_auth": "static"}])
def test_without_obs_credentials_the_tasks_are_not_asked(
    vendor: Simulator, scope: Scope, settings: Any, missing: dict[str, str]
) -> None:
    settings.ISALES = replace(settings.ISALES, **missing)
    report = examined()
    assert set(asked(vendor)) == {LIST_RESERVATIONS, LIST_RESULT_CODES}
    assert of(report, "list_outbound_tasks").standing is InterfaceStatus.NO_CREDENTIALS
    assert report.failed == ()
    assert fact(report, "list_outbound_tasks", "explanation") == "No OBS credentials are set."
    assert fact(report, "token", "token") == "none"
    assert doctor_report.headline(report).startswith("2 of 2 interfaces answered.")


def test_the_log_in_is_examined_where_it_is_used(
    vendor: Simulator, scope: Scope, settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, obs_auth="login")
    report = examined()
    assert asked(vendor)[LOG_IN] == 1
    assert of(report, "log_in").answered
    assert fact(report, "settings", "auth") == "log-in (obs/auth/login)"


def test_own_keys_that_cannot_be_opened_are_told(
    vendor: Simulator, scope: Scope, people: dict[str, User], settings: Any
) -> None:
    vdn_keys.change_keys(
        vdn=scope.vdn, by=people["admin"], put={"access_key": "A", "secret_key": "S"}, take=set()
    )
    settings.SECRET_KEY = "another-secret-key-than-the-one-it-was-sealed-with"
    report = examined(probes=True)
    assert len(vendor.calls) == 0
    assert {each.standing for each in report.failed} == {InterfaceStatus.KEYS_CLOSED}
    assert len(report.failed) == 3
    assert "SECRET_KEY" in fact(report, "list_reservations", "explanation")
    assert fact(report, "settings", "keys") == "own of this VDN: access_key, secret_key"


def test_it_ends_in_time(vendor: Simulator, scope: Scope) -> None:
    now = iter(range(0, 10_000, 40))
    report = examined(probes=True, monotonic=lambda: float(next(now)))
    # The second question would begin after a minute.
    assert len(vendor.calls) == 1
    assert fact(report, "list_result_codes", "outcome") == "CC-iSales did not answer in time"


def test_only_one_examination_of_a_vdn_runs_at_a_time(vendor: Simulator, scope: Scope) -> None:
    cache.set("doctor:turn:88", "somebody else", 60)
    with pytest.raises(AlreadyRunning):
        examined()
    assert len(vendor.calls) == 0
    assert cache.get("doctor:turn:88") == "somebody else"
    cache.delete("doctor:turn:88")
    examined()
    examined()


def test_a_person_needs_the_right_and_leaves_a_trace(
    vendor: Simulator, people: dict[str, User], scope: Scope
) -> None:
    assert doctor.get_last_report(scope=scope) is None
    report = doctor.run_check(scope=scope)
    kept = doctor.get_last_report(scope=scope)
    assert kept is not None
    assert doctor_report.text(kept) == doctor_report.text(report)
    event = AuditEvent.objects.get(action=AuditAction.VENDOR_EXAMINED)
    assert (event.actor, event.vdn_id, event.detail) == ("admin", 88, {"probes": True})
    for role in ("agent", "supervisor", "auditor"):
        other = access.enter(user=people[role], vdn_id=88)
        with pytest.raises(PermissionMissing):
            doctor.run_check(scope=other)
        with pytest.raises(PermissionMissing):
            doctor.get_last_report(scope=other)
    assert AuditEvent.objects.count() == 1


def test_failures_are_kept_and_told_in_the_readers_language(
    vendor: Simulator, scope: Scope
) -> None:
    vendor.faults.add("business", operation=LIST_RESERVATIONS, desc="No such thing")
    doctor.run_check(scope=scope)
    kept = doctor.get_last_report(scope=scope)
    assert kept is not None
    assert "0200006" in fact(kept, "list_reservations", "explanation")
    english = doctor_report.text(kept)
    with translation.override("zh-hans"):
        chinese = doctor_report.text(kept)
        assert doctor_report.sections(kept, quoting=True)
    assert "CC-iSales refused the request" in english
    assert "CC-iSales refused the request" not in chinese


def test_the_house_is_told_of_the_calls_but_not_of_the_circuits(
    vendor: Simulator, scope: Scope
) -> None:
    from isales_proxy.core.metrics import CIRCUIT, LAST_CALL_KEY

    examined()
    assert cache.get(LAST_CALL_KEY).operation == "list_outbound_tasks"
    CIRCUIT.labels("list_reservations").set(1)
    vendor.stop()
    examined()
    assert CIRCUIT.labels("list_reservations")._value.get() == 1
    CIRCUIT.labels("list_reservations").set(0)
