"""The command `check_vendor`: the API doctor at the command line."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from isales_proxy.models import AuditEvent, User, Vdn
from isales_proxy.simulator import (
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    Simulator,
)


def check(*arguments: str) -> str:
    out = StringIO()
    call_command("check_vendor", *arguments, stdout=out)
    return out.getvalue()


def test_each_interface_is_called_once(vendor: Simulator, people: dict[str, User]) -> None:
    text = check("--vdn", "88")
    assert sorted(call.operation for call in vendor.calls) == sorted(
        [LIST_RESERVATIONS, LIST_RESULT_CODES, FETCH_TOKEN, LIST_OUTBOUND_TASKS]
    )
    assert text.startswith("Callboard API doctor\nVDN 88, checked ")
    assert "4 of 4 interfaces answered." in text
    assert "Fields: as documented" in text
    assert text.count("only checked with --probe") == 4


def test_probes_run_on_request(vendor: Simulator, people: dict[str, User]) -> None:
    text = check("--vdn", "88", "--probe")
    assert "Time range filters by: appointTime" in text
    assert "calledNo matches: also parts of a number" in text
    assert "Largest page: 100 rows; 200 are refused (code 02000007)" in text
    assert "Order of the rows: the same in two identical queries" in text
    assert "--probe only" not in text
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) <= 11


def test_every_enabled_vdn_is_checked(vendor: Simulator, people: dict[str, User]) -> None:
    text = check()
    assert "\nVDN 88, " in text
    assert "\nVDN 89, " in text
    Vdn.objects.filter(pk=89).update(enabled=False)
    assert "\nVDN 89, " not in check()
    assert list(AuditEvent.objects.values_list("vdn_id", "actor").order_by("id")) == [
        (88, "system"),
        (89, "system"),
        (88, "system"),
    ]


def test_failure_is_one_line_with_exit_code_1(
    vendor: Simulator, people: dict[str, User], capsys: pytest.CaptureFixture[str]
) -> None:
    vendor.faults.add("html", operation=LIST_RESULT_CODES)
    with pytest.raises(CommandError) as told:
        call_command("check_vendor")
    assert str(told.value).startswith(
        "VDN 88: Querying OBS Outbound Call Result Codes: CC-iSales sent an unreadable answer"
    )
    assert told.value.returncode == 1
    assert len(str(told.value).splitlines()) == 1
    out = capsys.readouterr().out
    assert "3 of 4 interfaces answered." in out
    assert "\nVDN 89, " in out


def test_unreachable_vendor_fails_every_interface(
    vendor: Simulator, people: dict[str, User], capsys: pytest.CaptureFixture[str]
) -> None:
    vendor.stop()
    with pytest.raises(CommandError) as told:
        call_command("check_vendor", "--vdn", "88", "--probe")
    assert len(str(told.value).splitlines()) == 4
    assert capsys.readouterr().out.count("only checked with --probe") == 0


def test_missing_obs_credentials_are_no_failure(
    vendor: Simulator, people: dict[str, User], settings: Any
) -> None:
    settings.ISALES = replace(settings.ISALES, app_key="", app_secret="")
    text = check("--vdn", "88")
    assert "No OBS credentials are set." in text
    assert "2 of 2 interfaces answered." in text


def test_running_check_is_reported_and_not_repeated(
    vendor: Simulator, people: dict[str, User]
) -> None:
    cache.set("doctor:turn:88", "somebody else", 60)
    with pytest.raises(CommandError, match="VDN 88: a check is already running"):
        check("--vdn", "88")
    assert len(vendor.calls) == 0


def test_unknown_vdn_is_refused_in_one_line(people: dict[str, User]) -> None:
    with pytest.raises(CommandError) as told:
        check("--vdn", "4711")
    assert str(told.value) == "There is no VDN 4711."
