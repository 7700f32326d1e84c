"""`/api/v1/vdns/<id>/result-codes/` and its refresh."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from isales_proxy.models import ResultCode, Vdn
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator

CODES = "/api/v1/vdns/88/result-codes/"
REFRESH = f"{CODES}refresh/"


def test_the_table_is_read_on_first_need(vendor: Simulator, as_role: Any) -> None:
    body = as_role("auditor").get(CODES).json()
    assert body["count"] == len(body["results"]) == ResultCode.objects.filter(vdn=88).count()
    assert body["count"] > 100
    assert body["as_of"].endswith("Z")
    first = body["results"][0]
    assert set(first) == {
        "code", "text_en", "text_zh", "category", "first_seen", "last_seen", "gone_at",
    }  # fmt: skip
    assert first["gone_at"] is None


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_both_languages_are_there_whatever_the_readers_is(
    vendor: Simulator, as_role: Any, language: str
) -> None:
    vendor.codes.put("90099", "Line cut", "线路中断")
    headers = {"Accept-Language": language}
    found = as_role("agent").get(CODES, headers=headers).json()["results"]
    (row,) = (row for row in found if row["code"] == "90099")
    assert (row["text_en"], row["text_zh"]) == ("Line cut", "线路中断")


def test_a_refresh_says_what_changed(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()["count"]
    vendor.codes.put("90098", "New", "新")
    vendor.codes.put("00006", "Reworded", "改")
    body = admin.post(REFRESH).json()
    assert {name: body[name] for name in ("added", "reworded", "removed")} == {
        "added": 1,
        "reworded": 1,
        "removed": 0,
    }
    assert body["kept"] == before - 1
    assert body["read_at"] == admin.get(CODES).json()["as_of"]
    vendor.codes.remove("90098")
    assert admin.post(REFRESH).json()["removed"] == 1
    gone = [row for row in admin.get(CODES).json()["results"] if row["gone_at"]]
    assert [row["code"] for row in gone] == ["90098"]


@pytest.mark.parametrize("role", ["agent", "supervisor", "auditor", "both"])
def test_only_admins_refresh(vendor: Simulator, as_role: Any, role: str) -> None:
    assert as_role(role).post(REFRESH).status_code == 403
    assert len(vendor.calls) == 0


def test_a_foreign_vdn_cannot_be_refreshed(vendor: Simulator, as_role: Any) -> None:
    assert as_role("admin").post("/api/v1/vdns/89/result-codes/refresh/").status_code == 404
    assert len(vendor.calls) == 0


def test_a_second_refresh_at_the_same_time_is_a_conflict(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    cache.set("codes:turn:88", "somebody else", 60)
    answer = admin.post(REFRESH)
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(vendor.calls) == 0


def test_a_refresh_that_fails_changes_nothing(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()
    vendor.faults.add("html", operation=LIST_RESULT_CODES, times=None, from_call=2)
    answer = admin.post(REFRESH)
    assert (answer.status_code, answer.json()["problem"]) == (502, "bad-answer")
    assert admin.get(CODES).json() == before


def test_the_table_is_served_while_the_vendor_is_away(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()
    vendor.stop()
    assert admin.get(CODES).json() == before
    assert Vdn.objects.get(pk=88).codes_read_at is not None
