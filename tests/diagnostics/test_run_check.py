"""A check of the API doctor: which interfaces it calls, and how it reports failures."""

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
from isales_proxy.diagnostics import services
from isales_proxy.diagnostics.report import InterfaceStatus, describe_outcome, render_text
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
from tests.support.cases import cases
from tests.support.doctor import count_calls, get_fact, get_section, run_check

HARMLESS = {LIST_RESERVATIONS, LIST_RESULT_CODES, LIST_OUTBOUND_TASKS, FETCH_TOKEN, LOG_IN}
ROOT = Path(__file__).resolve().parents[2]


def test_each_read_only_interface_is_called_once(vendor: Simulator, scope: Scope) -> None:
    report = run_check()
    assert count_calls(vendor) == {
        LIST_RESERVATIONS: 1,
        LIST_RESULT_CODES: 1,
        FETCH_TOKEN: 1,
        LIST_OUTBOUND_TASKS: 1,
    }
    assert [each.name for each in report.interfaces] == [
        "list_reservations",
        "list_result_codes",
        "fetch_token",
        "list_outbound_tasks",
    ]
    assert all(each.answered for each in report.interfaces)
    assert report.failed == ()
    assert get_fact(report, "probes", "calls") == ""


def test_valid_token_is_reused(vendor: Simulator, scope: Scope) -> None:
    run_check()
    vendor.calls.clear()
    later = run_check(clock=lambda: datetime.now(UTC) + timedelta(seconds=100))
    assert count_calls(vendor)[FETCH_TOKEN] == 0
    assert get_fact(later, "token", "age") in {"100 s ago", "101 s ago", "102 s ago"}
    assert get_fact(later, "token", "left") == "58 min"


def test_probes_call_only_the_list_of_reservations(vendor: Simulator, scope: Scope) -> None:
    report = run_check(with_probes=True)
    further = int(get_fact(report, "probes", "calls"))
    calls = count_calls(vendor)
    assert calls[LIST_RESERVATIONS] == 1 + further <= 11
    assert set(calls) <= HARMLESS
    assert calls.total() == calls[LIST_RESERVATIONS] + 3


def test_sources_do_not_name_interfaces_that_change_data() -> None:
    sources = sorted((ROOT / "isales_proxy/diagnostics").glob("*.py"))
    sources += [ROOT / "isales_proxy/management/commands/check_vendor.py"]
    sources += [ROOT / "dashboard/diagnostics/views.py"]
    assert len(sources) >= 7
    for path in sources:
        found = re.findall("call_data|mid_result|callnos|midresult", path.read_text("utf-8"), re.I)
        assert found == [], path


@cases("kind", ["reset", "html", "status", "business", "half_body", "throttle"])
def test_failing_vendor_is_called_once_for_each_interface(
    vendor: Simulator, scope: Scope, kind: str
) -> None:
    vendor.faults.add(kind, times=None)
    report = run_check(with_probes=True)
    assert set(count_calls(vendor)) <= HARMLESS
    assert max(count_calls(vendor).values()) == 1
    assert get_fact(report, "probes", "calls") == ""
    assert {each.status for each in report.interfaces} == {InterfaceStatus.FAILED}
    assert len(report.failed) == len(report.interfaces) == 4


def test_unreachable_vendor_is_reported_for_each_interface(vendor: Simulator, scope: Scope) -> None:
    vendor.stop()
    report = run_check(with_probes=True)
    assert len(report.failed) == 4
    assert get_fact(report, "list_reservations", "outcome") == "CC-iSales cannot be reached"
    assert get_fact(report, "list_outbound_tasks", "outcome") == "CC-iSales cannot be reached"
    assert get_fact(report, "list_reservations", "request")
    assert describe_outcome(report) == "0 of 4 interfaces answered."


def test_refused_keys_are_reported(vendor: Simulator, scope: Scope, settings: Any) -> None:
    settings.ISALES = replace(settings.ISALES, secret_key="wrong", app_secret="wrong-too")
    report = run_check()
    for name in ("list_reservations", "list_result_codes", "fetch_token"):
        assert get_section(report, name).status is InterfaceStatus.FAILED
        assert get_fact(report, name, "status") in {"401", "403"}
        assert get_fact(report, name, "outcome") == "CC-iSales refuses our keys"
    assert get_section(report, "list_outbound_tasks").status is InterfaceStatus.FAILED


def test_revoked_token_is_renewed_once(vendor: Simulator, scope: Scope) -> None:
    run_check()
    vendor.tokens.revoke_all()
    vendor.calls.clear()
    report = run_check()
    assert count_calls(vendor)[LIST_OUTBOUND_TASKS] == 2
    assert count_calls(vendor)[FETCH_TOKEN] == 1
    assert get_section(report, "list_outbound_tasks").answered
    assert get_fact(report, "list_outbound_tasks", "calls") == "2"


def test_token_that_is_always_refused_fails_the_interface(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("unauthorized", operation=LIST_OUTBOUND_TASKS, times=None)
    report = run_check()
    assert get_section(report, "fetch_token").answered
    assert get_section(report, "list_outbound_tasks").status is InterfaceStatus.FAILED
    assert get_fact(report, "list_outbound_tasks", "status") == "401"
    assert [each.name for each in report.failed] == ["list_outbound_tasks"]


def test_static_token_is_reported_without_times(
    vendor: Simulator, scope: Scope, settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, obs_auth="static", token="a-token-of-the-operator")
    report = run_check()
    assert "token" not in {each.name for each in report.details}
    assert get_fact(report, "settings", "obs_auth") == "static"


@pytest.mark.parametrize("missing", [{"app_key": ""}, {"app_secret": ""}, {"obs_auth": "static"}])
def test_tasks_are_not_called_without_obs_credentials(
    vendor: Simulator, scope: Scope, settings: Any, missing: dict[str, str]
) -> None:
    settings.ISALES = replace(settings.ISALES, **missing)
    report = run_check()
    assert set(count_calls(vendor)) == {LIST_RESERVATIONS, LIST_RESULT_CODES}
    assert get_section(report, "list_outbound_tasks").status is InterfaceStatus.NO_CREDENTIALS
    assert report.failed == ()
    explanation = get_fact(report, "list_outbound_tasks", "explanation")
    assert "No OBS credentials are set." in explanation
    assert describe_outcome(report).startswith("2 of 2 interfaces answered.")


def test_log_in_is_checked_where_it_is_configured(
    vendor: Simulator, scope: Scope, settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, obs_auth="login")
    report = run_check()
    assert count_calls(vendor)[LOG_IN] == 1
    assert get_section(report, "log_in").answered
    assert get_fact(report, "settings", "obs_auth") == "login"


def test_own_keys_that_cannot_be_decrypted_are_reported(
    vendor: Simulator, scope: Scope, people: dict[str, User], settings: Any
) -> None:
    vdn_keys.change_keys(
        vdn=scope.vdn, by=people["admin"], put={"access_key": "A", "secret_key": "S"}, take=set()
    )
    settings.SECRET_KEY = "another-secret-key-than-the-one-it-was-sealed-with"
    report = run_check(with_probes=True)
    assert len(vendor.calls) == 0
    assert {each.status for each in report.failed} == {InterfaceStatus.FAILED}
    assert len(report.failed) == 3
    assert "SECRET_KEY" in get_fact(report, "list_reservations", "explanation")
    assert get_fact(report, "settings", "keys") == "access_key, secret_key"


def test_check_ends_in_time(vendor: Simulator, scope: Scope) -> None:
    now = iter(range(0, 10_000, 40))
    report = run_check(with_probes=True, monotonic=lambda: float(next(now)))
    # The second question would begin after a minute.
    assert len(vendor.calls) == 1
    assert get_fact(report, "list_result_codes", "outcome") == "CC-iSales did not answer in time"


def test_only_one_check_of_a_vdn_runs_at_a_time(vendor: Simulator, scope: Scope) -> None:
    cache.set("doctor:turn:88", "somebody else", 60)
    with pytest.raises(AlreadyRunning):
        run_check()
    assert len(vendor.calls) == 0
    assert cache.get("doctor:turn:88") == "somebody else"
    cache.delete("doctor:turn:88")
    run_check()
    run_check()


def test_running_a_check_needs_permission_and_is_audited(
    vendor: Simulator, people: dict[str, User], scope: Scope
) -> None:
    assert services.get_last_report(scope=scope) is None
    report = services.run_check(scope=scope)
    kept = services.get_last_report(scope=scope)
    assert kept is not None
    assert render_text(kept) == render_text(report)
    event = AuditEvent.objects.get(action=AuditAction.VENDOR_EXAMINED)
    assert (event.actor, event.vdn_id, event.detail) == ("admin", 88, {"probes": True})
    for role in ("agent", "supervisor", "auditor"):
        other = access.enter(user=people[role], vdn_id=88)
        with pytest.raises(PermissionMissing):
            services.run_check(scope=other)
        with pytest.raises(PermissionMissing):
            services.get_last_report(scope=other)
    assert AuditEvent.objects.count() == 1


def test_stored_report_is_shown_in_the_readers_language(vendor: Simulator, scope: Scope) -> None:
    vendor.faults.add("business", operation=LIST_RESERVATIONS, desc="No such thing")
    services.run_check(scope=scope)
    kept = services.get_last_report(scope=scope)
    assert kept is not None
    assert "0200006" in get_fact(kept, "list_reservations", "explanation")
    english = render_text(kept)
    with translation.override("zh-hans"):
        chinese = render_text(kept)
    assert "CC-iSales refused the request" in english
    assert "CC-iSales refused the request" not in chinese


def test_calls_are_counted_in_the_metrics_but_circuits_are_not(
    vendor: Simulator, scope: Scope
) -> None:
    from isales_proxy.core.metrics import CIRCUIT, LAST_CALL_KEY

    run_check()
    assert cache.get(LAST_CALL_KEY).operation == "list_outbound_tasks"
    CIRCUIT.labels("list_reservations").set(1)
    vendor.stop()
    run_check()
    assert CIRCUIT.labels("list_reservations")._value.get() == 1
    CIRCUIT.labels("list_reservations").set(0)
