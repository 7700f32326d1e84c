"""The history of the code table, and roll-backs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from isales_proxy.models import AuditEvent, CodeRefresh, ResultCode, Vdn
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.codes import (
    APPLY,
    FRAGMENT,
    HISTORY,
    PAGE,
    changes_of,
    list_history,
    previewed,
    scheduled,
    words_of,
)
from tests.support.migrations import empty_database, migrate


@pytest.fixture
def admin(vendor: Simulator, as_role: Any) -> Any:
    """An admin, with a first table and a second one from the daily job."""
    client = as_role("admin")
    client.get(PAGE)
    vendor.codes["00604"] = ("Turned down", "拒接")
    vendor.codes["70001"] = ("Added", "新增")
    vendor.codes.pop("00003", None)
    scheduled()
    return client


def roll_back(client: Any, entry: Any, **more: Any) -> Any:
    page = client.get(entry["url"]).content.decode()
    found = re.search(r'name="version" value="(\d+)"', page)
    data = {"version": found[1] if found else "", **more}
    return client.post(f"{entry['url']}roll-back/", data)


def test_every_change_is_listed_with_its_author(
    vendor: Simulator, admin: Any, as_role: Any
) -> None:
    second, first = list_history(as_role("agent"))
    assert (first["kind"], first["by"], first["added"]) == ("need", "first use", "120")
    assert (second["kind"], second["by"]) == ("schedule", "system")
    text = as_role("agent").get(second["url"]).content.decode()
    shown = [("added", "70001"), ("removed", "00003"), ("reworded", "00604")]
    assert changes_of(text) == shown
    assert "The call is rejected." in text
    assert "This is the current table." in text
    way_back = as_role("agent").get(first["url"]).content.decode().partition("way-back")[2]
    assert changes_of(way_back) == [("added", "00003"), ("removed", "70001"), ("reworded", "00604")]
    assert "roll-back" not in way_back


def test_refresh_without_a_change_adds_no_entry(vendor: Simulator, admin: Any) -> None:
    before = Vdn.objects.get(pk=88).codes_read_at
    assert "120 kept, 0 added, 0 reworded" in scheduled()
    assert len(list_history(admin)) == 2
    after = Vdn.objects.get(pk=88).codes_read_at
    assert before is not None
    assert after is not None
    assert after > before


def test_removed_code_stays_in_the_table_marked_as_gone(vendor: Simulator, admin: Any) -> None:
    text = admin.get(PAGE, {"q": "00003"}).content.decode()
    assert 'data-state="gone"' in text
    assert "no longer listed" in text
    assert ResultCode.objects.get(vdn=88, code="00003").gone_at is not None


def test_roll_back_restores_the_previous_table(vendor: Simulator, admin: Any) -> None:
    answer = roll_back(admin, list_history(admin)[1])
    assert (answer.status_code, answer.headers["Location"]) == (303, HISTORY)
    assert words_of("00604") == ("呼叫拒绝", "The call is rejected.")
    assert words_of("00003") == ("无资源", "No resource")
    assert words_of("70001") is None
    latest = list_history(admin)[0]
    assert (latest["kind"], latest["by"]) == ("roll-back", "admin")
    event = AuditEvent.objects.get(action="codes.rolled_back")
    assert (event.actor, event.vdn_id) == ("admin", 88)
    assert event.detail["figures"] == {"kept": 118, "added": 1, "reworded": 1, "removed": 1}
    assert Vdn.objects.get(pk=88).codes_read_at is not None


def test_scheduled_refresh_does_not_undo_a_roll_back(vendor: Simulator, admin: Any) -> None:
    roll_back(admin, list_history(admin)[1])
    read_at = Vdn.objects.get(pk=88).codes_read_at
    assert "rolled back" in scheduled()
    assert words_of("70001") is None
    assert len(list_history(admin)) == 3
    now = Vdn.objects.get(pk=88).codes_read_at
    assert read_at is not None
    assert now is not None
    assert now > read_at
    for path in (PAGE, HISTORY):
        assert "Rolled back by admin" in admin.get(path).content.decode()


def test_refresh_held_back_by_a_roll_back_still_updates_last_seen(
    vendor: Simulator, admin: Any
) -> None:
    roll_back(admin, list_history(admin)[1])
    before = dict(ResultCode.objects.filter(vdn_id=88).values_list("code", "last_seen"))
    assert "rolled back" in scheduled()
    listed = ResultCode.objects.filter(vdn_id=88, gone_at=None)
    assert listed
    # The one that CC-iSales no longer lists, which the roll-back brought back.
    assert [row.code for row in listed if row.last_seen <= before[row.code]] == ["00003"]


def test_new_table_of_the_vendor_ends_the_hold_after_a_roll_back(
    vendor: Simulator, admin: Any
) -> None:
    roll_back(admin, list_history(admin)[1])
    vendor.codes["70002"] = ("Newer", "更新")
    scheduled()
    assert words_of("70002") == ("更新", "Newer")
    assert words_of("70001") == ("新增", "Added")
    assert "Rolled back by admin" not in admin.get(PAGE).content.decode()
    vendor.codes.pop("70002", None)
    scheduled()
    assert words_of("70002") is None


def test_applying_a_preview_ends_the_hold_and_looking_at_it_does_not(
    vendor: Simulator, admin: Any
) -> None:
    roll_back(admin, list_history(admin)[1])
    preview = previewed(admin)
    assert preview
    assert "rolled back" in scheduled()
    text = admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).content.decode()
    assert 'id="code-held"' in text
    assert "data-held" not in text
    assert words_of("70001") == ("新增", "Added")
    assert "Rolled back by admin" not in admin.get(PAGE).content.decode()


def test_second_roll_back_still_holds_back_the_vendors_table(vendor: Simulator, admin: Any) -> None:
    vendor.codes["70002"] = ("Third", "第三")
    scheduled()
    _third, second, first = list_history(admin)
    roll_back(admin, second)
    roll_back(admin, first)
    assert words_of("70001") is None
    assert "rolled back" in scheduled()
    assert words_of("70002") is None


def test_roll_back_to_the_vendors_table_holds_nothing_back(vendor: Simulator, admin: Any) -> None:
    second, first = list_history(admin)
    roll_back(admin, first)
    roll_back(admin, second)
    assert words_of("70001") == ("新增", "Added")
    assert "Rolled back by admin" not in admin.get(PAGE).content.decode()
    vendor.codes["70002"] = ("Third", "第三")
    scheduled()
    assert words_of("70002") == ("第三", "Third")


def test_table_changed_meanwhile_is_not_rolled_back(vendor: Simulator, admin: Any) -> None:
    first = list_history(admin)[1]
    version = Vdn.objects.get(pk=88).codes_version
    vendor.codes["70002"] = ("Third", "第三")
    scheduled()
    answer = admin.post(f"{first['url']}roll-back/", {"version": str(version)}, follow=True)
    assert answer.redirect_chain == [(first["url"], 303)]
    assert "changed in the meantime" in answer.content.decode()
    assert words_of("70002") == ("第三", "Third")


@cases("version", ["", "x", "-1", "9" * 40, "١"])
def test_roll_back_without_a_valid_version_changes_nothing(
    vendor: Simulator, admin: Any, version: str
) -> None:
    first = list_history(admin)[1]
    assert roll_back(admin, first, version=version).headers["Location"] == first["url"]
    assert words_of("70001") == ("新增", "Added")


def test_roll_back_to_the_current_table_changes_nothing(vendor: Simulator, admin: Any) -> None:
    now = list_history(admin)[0]
    version = str(Vdn.objects.get(pk=88).codes_version)
    assert roll_back(admin, now, version=version).headers["Location"] == now["url"]
    assert CodeRefresh.objects.count() == 2


def test_entry_of_another_vdn_is_not_found(vendor: Simulator, admin: Any) -> None:
    other = CodeRefresh.objects.create(
        vdn_id=89,
        at=CodeRefresh.objects.first().at,
        kind="schedule",
        by="x",  # type: ignore[union-attr]
    )
    assert admin.get(f"{HISTORY}{other.pk}/").status_code == 404
    assert admin.post(f"{HISTORY}{other.pk}/roll-back/", {"version": "1"}).status_code == 404
    for pk in (0, 999_999_999_999_999_999, 10**40):
        assert admin.get(f"{HISTORY}{pk}/").status_code == 404
        assert admin.post(f"{HISTORY}{pk}/roll-back/", {"version": "1"}).status_code == 404


@cases("query", [{"page": "0"}, {"page": "x"}, {"size": "0"}])
def test_invalid_page_of_the_history_is_refused(
    vendor: Simulator, admin: Any, query: dict[str, str]
) -> None:
    assert admin.get(HISTORY, query).status_code == 422


def test_history_is_paged(vendor: Simulator, admin: Any) -> None:
    assert [row["by"] for row in list_history(admin, {"size": "1", "page": "2"})] == ["first use"]


@pytest.mark.thorough
@pytest.mark.django_db
def test_table_from_before_the_history_becomes_its_first_entry() -> None:
    with empty_database():
        old = migrate("0005_sign_in")
        vdn = old.get_model("isales_proxy", "Vdn").objects.create(
            id=77, name="Old", codes_version=3, codes_read_at="2026-01-02T03:04:05Z"
        )
        codes = old.get_model("isales_proxy", "ResultCode").objects
        seen = {"first_seen": vdn.codes_read_at, "last_seen": vdn.codes_read_at}
        codes.create(vdn=vdn, code="1", text_zh="一", text_en="One", **seen)
        codes.create(vdn=vdn, code="2", text_en="Two", gone_at=vdn.codes_read_at, **seen)
        migrate()
        entry = CodeRefresh.objects.get(vdn_id=77)
        assert (entry.table, entry.added, entry.by) == ({"1": ["一", "One"]}, 1, "system")
