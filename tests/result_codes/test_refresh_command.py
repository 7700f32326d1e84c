"""The command `refresh_result_codes`, which runs the daily job."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from isales_proxy.models import ResultCode, User, Vdn
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator


def refresh(*arguments: str) -> str:
    out = StringIO()
    call_command("refresh_result_codes", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_the_number_of_changes(vendor: Simulator, people: dict[str, User]) -> None:
    refresh("--vdn", "88")
    count = ResultCode.objects.filter(vdn=88).count()
    vendor.codes["90098"] = ("New", "新")
    vendor.codes["90099"] = ("New, too", "也新")
    vendor.codes["00006"] = ("Reworded", "改")
    assert refresh("--vdn", "88") == f"VDN 88: {count - 1} kept, 2 added, 1 reworded\n"
    vendor.codes.pop("90099", None)
    assert "1 no longer listed" in refresh("--vdn", "88")


def test_command_refreshes_every_enabled_vdn(vendor: Simulator, people: dict[str, User]) -> None:
    Vdn.objects.filter(pk=89).update(enabled=False)
    assert [line.partition(":")[0] for line in refresh().splitlines()] == ["VDN 88"]
    Vdn.objects.filter(pk=89).update(enabled=True)
    assert [line.partition(":")[0] for line in refresh().splitlines()] == ["VDN 88", "VDN 89"]


def test_failed_vdn_is_named_and_the_others_are_refreshed(
    vendor: Simulator, people: dict[str, User], capsys: pytest.CaptureFixture[str]
) -> None:
    vendor.faults.add("html", operation=LIST_RESULT_CODES)
    with pytest.raises(CommandError, match="VDN 88: nothing was changed"):
        call_command("refresh_result_codes")
    assert capsys.readouterr().out.startswith("VDN 89: 0 kept, ")
    assert not ResultCode.objects.filter(vdn=88).exists()
    assert ResultCode.objects.filter(vdn=89).exists()


def test_refresh_already_running_is_reported_and_not_repeated(
    vendor: Simulator, people: dict[str, User]
) -> None:
    cache.set("codes:turn:88", "somebody else", 60)
    with pytest.raises(CommandError, match="VDN 88: a refresh is already under way"):
        refresh("--vdn", "88")
    assert len(vendor.calls) == 0


def test_unknown_vdn_is_refused(people: dict[str, User]) -> None:
    with pytest.raises(CommandError, match="There is no VDN 4711"):
        refresh("--vdn", "4711")
