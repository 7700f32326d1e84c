"""`/api/v1/vdns/<id>/result-codes/` and its refresh."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache

from isales_proxy.models import ResultCode, Vdn
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator
from tests.support.cases import cases

CODES = "/api/v1/vdns/88/result-codes/"
REFRESH = f"{CODES}refresh/"


def test_table_is_fetched_when_first_requested(vendor: Simulator, as_role: Any) -> None:
    body = as_role("auditor").get(CODES).json()
    assert body["count"] == len(body["results"]) == ResultCode.objects.filter(vdn=88).count()
    assert body["count"] > 100
    assert body["as_of"].endswith("Z")
    first = body["results"][0]
    assert set(first) == {
        "code", "text_en", "text_zh", "category", "meaning_en", "meaning_zh", "step_en", "step_zh",
        "edited", "seen_7d", "first_seen", "last_seen", "gone_at",
    }  # fmt: skip
    assert first["gone_at"] is None


@cases("language", ["en", "zh-Hans"])
def test_both_languages_are_returned_for_every_reader(
    vendor: Simulator, as_role: Any, language: str
) -> None:
    vendor.codes["90099"] = ("Line cut", "线路中断")
    headers = {"Accept-Language": language}
    found = as_role("agent").get(CODES, headers=headers).json()["results"]
    (row,) = (row for row in found if row["code"] == "90099")
    assert (row["text_en"], row["text_zh"]) == ("Line cut", "线路中断")


def test_refresh_returns_the_number_of_changes(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()["count"]
    vendor.codes["90098"] = ("New", "新")
    vendor.codes["00006"] = ("Reworded", "改")
    body = admin.post(REFRESH).json()
    assert {name: body[name] for name in ("added", "reworded", "removed")} == {
        "added": 1,
        "reworded": 1,
        "removed": 0,
    }
    assert body["kept"] == before - 1
    assert body["read_at"] == admin.get(CODES).json()["as_of"]
    vendor.codes.pop("90098", None)
    assert admin.post(REFRESH).json()["removed"] == 1
    gone = [row for row in admin.get(CODES).json()["results"] if row["gone_at"]]
    assert [row["code"] for row in gone] == ["90098"]


@cases("role", ["agent", "supervisor", "auditor", "both"])
def test_other_roles_than_admin_cannot_refresh(vendor: Simulator, as_role: Any, role: str) -> None:
    assert as_role(role).post(REFRESH).status_code == 403
    assert len(vendor.calls) == 0


def test_foreign_vdn_cannot_be_refreshed(vendor: Simulator, as_role: Any) -> None:
    assert as_role("admin").post("/api/v1/vdns/89/result-codes/refresh/").status_code == 404
    assert len(vendor.calls) == 0


def test_simultaneous_refresh_is_a_conflict(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    cache.set("codes:turn:88", "somebody else", 60)
    answer = admin.post(REFRESH)
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(vendor.calls) == 0


def test_failed_refresh_changes_nothing(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()
    vendor.faults.add("html", operation=LIST_RESULT_CODES, times=None, from_call=2)
    answer = admin.post(REFRESH)
    assert (answer.status_code, answer.json()["problem"]) == (502, "bad-answer")
    assert admin.get(CODES).json() == before


def test_table_is_served_while_the_vendor_is_away(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()
    vendor.stop()
    assert admin.get(CODES).json() == before
    assert Vdn.objects.get(pk=88).codes_read_at is not None


def test_code_has_its_meaning_and_number_of_occurrences(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    admin.get(CODES)
    vendor.add_rows(
        88,
        [
            {"appointId": "1", "calledNo": "700001", "failCode": "00702"},
            {"appointId": "2", "calledNo": "700002", "failCode": "98765"},
        ],
    )
    admin.get("/api/v1/vdns/88/reservations/", {"called_no": "7000"})
    admin.post("/vdn/88/result-codes/00702/note/", {"step_en": "Call Maria."})
    body = admin.get(CODES).json()
    (row,) = (row for row in body["results"] if row["code"] == "00702")
    assert (row["category"], row["seen_7d"], row["edited"]) == ("platform", 1, True)
    assert row["step_en"] == "Call Maria."
    assert row["meaning_en"].startswith("The customer was reached")
    assert row["step_zh"].startswith("尽快")
    assert body["unknown"] == [{"code": "98765", "seen_7d": 1}]


def test_preview_changes_nothing(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    before = admin.get(CODES).json()
    vendor.codes["00604"] = ("Turned down", "拒接")
    body = admin.post(f"{REFRESH}?preview=true").json()
    assert (body["reworded"], body["applied"]) == (1, False)
    assert body["changes"] == [
        {
            "code": "00604",
            "kind": "reworded",
            "before": {"zh": "呼叫拒绝", "en": "The call is rejected."},
            "after": {"zh": "拒接", "en": "Turned down"},
        }
    ]
    assert admin.get(CODES).json() == before
    applied = admin.post(f"{REFRESH}?preview=false").json()
    assert (applied["changes"], applied["applied"]) == (body["changes"], True)


@cases("flag", ["", "1", "yes", "TRUE", "x" * 500])
def test_invalid_preview_flag_is_refused(vendor: Simulator, as_role: Any, flag: str) -> None:
    answer = as_role("admin").post(f"{REFRESH}?preview={flag}")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["preview"])
    assert len(vendor.calls) == 0


def test_refresh_by_a_person_applies_codes_that_were_rolled_back(
    vendor: Simulator, as_role: Any
) -> None:
    from tests.support.codes import list_history, scheduled, words_of

    admin = as_role("admin")
    admin.get(CODES)
    vendor.codes["70001"] = ("Added", "新增")
    admin.post(REFRESH)
    first = list_history(admin)[1]
    version = str(Vdn.objects.get(pk=88).codes_version)
    admin.post(f"{first['url']}roll-back/", {"version": version})
    assert "rolled back" in scheduled()
    assert words_of("70001") is None
    assert admin.post(REFRESH).json()["added"] == 1
    assert words_of("70001") == ("新增", "Added")


def test_history_has_person_and_changes_of_each_entry(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    admin.get(CODES)
    vendor.codes.pop("00003", None)
    admin.post(REFRESH)
    body = as_role("agent").get(f"{CODES}history/").json()
    assert (body["count"], body["page"], body["size"]) == (2, 1, 25)
    latest, first = body["results"]
    assert (latest["kind"], latest["by"], latest["removed"]) == ("person", "admin", 1)
    (change,) = latest["changes"]
    assert (change["code"], change["kind"], change["after"]) == ("00003", "removed", None)
    assert (first["kind"], len(first["changes"])) == ("need", 120)
    second = admin.get(f"{CODES}history/", {"page": "2", "size": "1"}).json()
    assert second["results"] == [first]


@cases("query", [{"page": "0"}, {"size": "x"}, {"size": "1000000"}])
def test_history_page_out_of_bounds_is_refused(
    vendor: Simulator, as_role: Any, query: dict[str, str]
) -> None:
    assert as_role("agent").get(f"{CODES}history/", query).status_code == 422


def test_unchanged_table_is_answered_by_304(vendor: Simulator, as_role: Any) -> None:
    agent = as_role("agent")
    first = agent.get(CODES)
    etag = first.headers["ETag"]
    assert not etag.startswith("W/")
    assert "no-store" in first.headers["Cache-Control"]
    for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = agent.get(CODES, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert "no-store" in answer.headers["Cache-Control"]
    for other in ('"other"', "nonsense", '"', ""):
        assert agent.get(CODES, headers={"If-None-Match": other}).content == first.content


@cases("language", ["en", "zh-Hans"])
def test_etag_does_not_depend_on_the_reader(vendor: Simulator, as_role: Any, language: str) -> None:
    etag = as_role("agent").get(CODES).headers["ETag"]
    headers = {"Accept-Language": language, "If-None-Match": etag}
    assert as_role("admin").get(CODES, headers=headers).status_code == 304


def test_etag_changes_with_every_change_of_the_table(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    tags = [admin.get(CODES).headers["ETag"]]

    def changed() -> bool:
        answer = admin.get(CODES, headers={"If-None-Match": tags[-1]})
        tags.append(answer.headers["ETag"])
        return answer.status_code == 200 and len(set(tags)) == len(tags)

    admin.post("/vdn/88/result-codes/00604/note/", {"meaning_en": "Said no."})
    assert changed()
    vendor.codes["00604"] = ("Turned down", "拒接")
    admin.post(REFRESH)
    assert changed()
    admin.post(REFRESH)
    assert changed(), "as_of moved"
    vendor.add_rows(88, [{"appointId": "1", "calledNo": "700001", "failCode": "00702"}])
    admin.get("/api/v1/vdns/88/reservations/", {"called_no": "7000"})
    assert changed(), "a count moved"
    assert not changed()
