"""A refresh by a person: previewed, then applied unchanged or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from time_machine import Traveller

from isales_proxy.models import AuditEvent, CodeRefresh, ResultCode, User, Vdn
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator
from tests.support.cases import cases
from tests.support.codes import (
    APPLY,
    FRAGMENT,
    HISTORY,
    PAGE,
    REFRESH,
    changes_of,
    preview_of,
    previewed,
    scheduled,
    words_of,
)


@pytest.fixture
def admin(vendor: Simulator, as_role: Any) -> Any:
    """An admin after the first read of the table."""
    client = as_role("admin")
    client.get(PAGE)
    return client


@pytest.fixture
def second(people: dict[str, User], as_role: Any) -> Any:
    """Another admin."""
    from isales_proxy.models import Access, Role

    people["second"] = User.objects.create_user("second", password="pass-word-1")
    Access.objects.create(user=people["second"], vdn_id=88, role=Role.ADMIN)
    return as_role("second")


def reword(vendor: Simulator) -> None:
    vendor.codes["70001"] = ("Added", "新增")
    vendor.codes["00604"] = ("Turned down", "呼叫拒绝")
    vendor.codes.pop("00003", None)


def test_preview_shows_changes_and_applies_nothing(vendor: Simulator, admin: Any) -> None:
    reword(vendor)
    answer = admin.post(REFRESH, headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in text
    assert changes_of(text) == [("added", "70001"), ("removed", "00003"), ("reworded", "00604")]
    assert "The call is rejected." in text
    assert "Turned down" in text
    assert "118 kept, 1 added, 1 reworded, 1 no longer listed" in text
    assert words_of("70001") is None
    assert words_of("00604") == ("呼叫拒绝", "The call is rejected.")
    assert CodeRefresh.objects.count() == 1


def test_exactly_the_previewed_changes_are_applied(vendor: Simulator, admin: Any) -> None:
    reword(vendor)
    preview = previewed(admin)
    # What the vendor does afterwards was not shown.
    vendor.codes["70002"] = ("Later", "之后")
    vendor.calls.clear()
    text = admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).content.decode()
    assert "118 kept, 1 added, 1 reworded, 1 no longer listed" in text
    assert 'data-state="done"' in text
    assert len(vendor.calls) == 0
    assert (words_of("70001"), words_of("00003")) == (("新增", "Added"), None)
    assert words_of("70002") is None
    entry = CodeRefresh.objects.filter(vdn=88).first()
    assert entry is not None
    assert (entry.kind, entry.by, entry.added, entry.removed, entry.reworded) == (
        "person", "admin", 1, 1, 1,
    )  # fmt: skip
    assert len(entry.table) == 120
    event = AuditEvent.objects.filter(action="codes.refreshed").first()
    assert event is not None
    assert (event.actor, event.vdn_id, event.detail["entry"]) == ("admin", 88, entry.pk)
    assert event.detail["before"] != event.detail["after"]


def test_refresh_works_without_javascript(vendor: Simulator, admin: Any) -> None:
    reword(vendor)
    led = admin.post(REFRESH)
    assert led.status_code == 303
    text = admin.get(led.headers["Location"]).content.decode()
    assert "<html" in text
    answer = admin.post(APPLY, {"preview": preview_of(text)}, follow=True)
    assert answer.redirect_chain == [(PAGE, 303)]
    assert "1 added" in answer.content.decode()
    assert words_of("70001") == ("新增", "Added")


def test_refresh_without_changes_says_so_and_updates_the_time(
    vendor: Simulator, admin: Any
) -> None:
    before = Vdn.objects.get(pk=88)
    text = admin.post(REFRESH, headers=FRAGMENT).content.decode()
    assert "No changes." in text
    assert preview_of(text) == ""
    after = Vdn.objects.get(pk=88)
    assert after.codes_read_at is not None
    assert before.codes_read_at is not None
    assert after.codes_read_at > before.codes_read_at
    assert after.codes_version == before.codes_version
    assert CodeRefresh.objects.count() == 1
    assert AuditEvent.objects.filter(action="codes.refreshed").count() == 2


def test_preview_older_than_a_roll_back_is_replaced_by_a_new_one(
    vendor: Simulator, admin: Any
) -> None:
    vendor.codes["70001"] = ("Added", "新增")
    scheduled()
    vendor.codes["70002"] = ("Added, too", "也新增")
    preview = previewed(admin)
    first = CodeRefresh.objects.earliest("pk").pk
    version = {"version": str(Vdn.objects.get(pk=88).codes_version)}
    assert admin.post(f"{HISTORY}{first}/roll-back/", version).status_code == 303
    answer = admin.post(APPLY, {"preview": preview}, headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "changed in the meantime" in text
    assert changes_of(text) == [("added", "70001"), ("added", "70002")]
    assert words_of("70001") is None
    # Who wants just that may have it; the old number is worth nothing any more.
    assert admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 410
    assert admin.post(APPLY, {"preview": preview_of(text)}, headers=FRAGMENT).status_code == 200
    assert words_of("70002") == ("也新增", "Added, too")


def _schedule_changes(vendor: Simulator, second: Any) -> None:
    vendor.codes["70002"] = ("Added, too", "也新增")
    scheduled()


def _schedule_finds_all_as_it_was(vendor: Simulator, second: Any) -> None:
    vendor.codes.pop("70001", None)
    scheduled()


def _somebody_finds_all_as_it_was(vendor: Simulator, second: Any) -> None:
    vendor.codes.pop("70001", None)
    assert previewed(second) == ""


def _somebody_is_shown_another_table(vendor: Simulator, second: Any) -> None:
    vendor.codes["70002"] = ("Added, too", "也新增")
    assert previewed(second)


@pytest.mark.parametrize(
    "read_again",
    [
        _schedule_changes,
        _schedule_finds_all_as_it_was,
        _somebody_finds_all_as_it_was,
        _somebody_is_shown_another_table,
    ],
)
def test_preview_older_than_a_later_refresh_is_not_applied(
    vendor: Simulator, admin: Any, second: Any, read_again: Any
) -> None:
    vendor.codes["70001"] = ("Added", "新增")
    preview = previewed(admin)
    read_again(vendor, second)
    before = Vdn.objects.get(pk=88)
    answer = admin.post(APPLY, {"preview": preview}, headers=FRAGMENT)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "has changed since it was read" in text
    assert preview_of(text) == ""
    after = Vdn.objects.get(pk=88)
    assert (after.codes_version, after.codes_read_at) == (
        before.codes_version,
        before.codes_read_at,
    )
    assert admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 410


def test_second_of_two_equal_previews_is_refused(
    vendor: Simulator, admin: Any, second: Any
) -> None:
    reword(vendor)
    one, two = previewed(admin), previewed(second)
    assert one != two
    assert admin.post(APPLY, {"preview": one}, headers=FRAGMENT).status_code == 200
    answer = second.post(APPLY, {"preview": two}, headers=FRAGMENT)
    assert answer.status_code == 409
    assert "No changes." in answer.content.decode()
    assert CodeRefresh.objects.count() == 2


def test_preview_of_another_person_cannot_be_applied(
    vendor: Simulator, admin: Any, second: Any
) -> None:
    reword(vendor)
    preview = previewed(admin)
    assert second.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 410
    assert words_of("70001") is None
    assert admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 200


@cases("preview", ["", "0" * 32, "../x", "é" * 32, "f" * 5000])
def test_invalid_preview_id_applies_nothing(vendor: Simulator, admin: Any, preview: str) -> None:
    reword(vendor)
    previewed(admin)
    answer = admin.post(APPLY, {"preview": preview}, headers=FRAGMENT)
    assert answer.status_code == 410
    assert "have expired" in answer.content.decode()
    assert words_of("70001") is None


def test_preview_expires_after_a_quarter_of_an_hour(
    clock: Traveller, vendor: Simulator, admin: Any
) -> None:
    reword(vendor)
    early, late = previewed(admin), previewed(admin)
    clock.shift(timedelta(minutes=16))
    assert admin.post(APPLY, {"preview": late}, headers=FRAGMENT).status_code == 410
    clock.shift(timedelta(minutes=-2))
    assert words_of("70001") is None
    assert admin.post(APPLY, {"preview": early}, headers=FRAGMENT).status_code == 200


@cases("address", [REFRESH, "/api/v1/vdns/88/result-codes/refresh/"])
def test_refresh_without_changes_is_recorded_in_the_audit(
    vendor: Simulator, admin: Any, address: str
) -> None:
    admin.get("/vdn/88/result-codes/")
    before = AuditEvent.objects.filter(action="codes.refreshed").count()
    assert admin.post(address, follow=True).status_code == 200
    event, *others = AuditEvent.objects.filter(action="codes.refreshed")
    assert len(others) == before
    assert (event.actor, event.vdn_id, event.detail["kind"]) == ("admin", 88, "person")
    assert {event.detail["figures"][name] for name in ("added", "reworded", "removed")} == {0}
    assert "entry" not in event.detail


def test_first_seen_of_an_applied_code_is_the_time_of_the_preview(
    clock: Traveller, vendor: Simulator, admin: Any
) -> None:
    reword(vendor)
    preview = previewed(admin)
    clock.shift(timedelta(minutes=5))
    admin.post(APPLY, {"preview": preview}, headers=FRAGMENT)
    code = ResultCode.objects.get(vdn=88, code="70001")
    assert code.first_seen == code.last_seen


def test_preview_is_applied_once(vendor: Simulator, admin: Any) -> None:
    reword(vendor)
    preview = previewed(admin)
    assert admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 200
    assert admin.post(APPLY, {"preview": preview}, headers=FRAGMENT).status_code == 410
    assert CodeRefresh.objects.count() == 2


@cases("role", ["agent", "supervisor", "auditor", "both"])
def test_other_roles_than_admin_cannot_refresh_apply_or_roll_back(
    vendor: Simulator, as_role: Any, role: str
) -> None:
    client = as_role(role)
    for path in (REFRESH, APPLY, f"{HISTORY}1/roll-back/"):
        assert client.post(path).status_code == 403
    assert client.get(HISTORY).status_code == 200
    assert "read-again" not in client.get(PAGE).content.decode()


def test_simultaneous_refresh_is_refused(vendor: Simulator, admin: Any) -> None:
    cache.set("codes:turn:88", "somebody else", 60)
    answer = admin.post(REFRESH, headers=FRAGMENT)
    assert answer.status_code == 409
    assert "already running" in answer.content.decode()


@cases(("kind", "status"), [("business", 502), ("reset", 503), ("html", 502)])
def test_failed_refresh_gives_its_reason_and_changes_nothing(
    vendor: Simulator, admin: Any, kind: str, status: int
) -> None:
    vendor.faults.add(kind, operation=LIST_RESULT_CODES, times=None)
    plain = admin.post(REFRESH)
    assert plain.status_code == 303
    for answer in (
        admin.post(REFRESH, headers=FRAGMENT),
        # Without scripts, and once more by Back.
        admin.get(plain.headers["Location"]),
        admin.get(plain.headers["Location"]),
    ):
        text = answer.content.decode()
        assert answer.status_code == status
        assert "Nothing was changed." in text
        assert "data-problem=" in text
    vendor.faults.clear()
    assert "00604" in admin.get(PAGE).content.decode()
