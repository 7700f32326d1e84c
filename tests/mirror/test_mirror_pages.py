"""The mirror on the pages of an admin, and for monitoring."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from isales_proxy.client.errors import ISalesError
from isales_proxy.mirror.round_reasons import RoundReason, describe_reason
from isales_proxy.models import AuditAction, AuditEvent, MirrorLeaf, MirrorState, User, VendorCalls
from isales_proxy.models.mirror import format_hour
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.mirror import mirror_rows
from tests.support.mirror_versions import minute

DOCTOR = "/vdn/88/doctor/"
SETTINGS = "/vdn/88/settings/"
ROWS = [{"appointId": str(number), "appointTime": 1_900_000_000_000} for number in range(3)]


def facts(client: Client) -> dict[str, tuple[str, str]]:
    """Name of each fact of the mirror on the doctor's page → its tone and text."""
    text = html.unescape(client.get(DOCTOR).content.decode())
    section = text[text.index('data-section="mirror"') :].partition("</section>")[0]
    found = re.findall(
        r'data-fact="([\w-]+)"><dt>[^<]*</dt><dd(?: class="is-(\w+)")?>([^<]*)</dd>', section
    )
    return {name: (tone, fact) for name, tone, fact in found}


@pytest.mark.django_db
def test_doctor_shows_state_and_age_of_the_mirror(people: dict[str, User], as_role: Any) -> None:
    admin = as_role("admin")
    assert "run_mirror" in facts(admin)["switch"][1]
    assert facts(admin)["round"] == ("warn", "none yet")
    now = timezone.now()
    mirror_rows(88, ROWS, at=now - timedelta(seconds=30))
    VendorCalls.objects.create(vdn_id=88, minute=now, by_people=10, by_mirror=30)
    states = MirrorState.objects.filter(pk=88)
    states.update(
        lease_until=now + timedelta(seconds=30),
        comparisons={
            format_hour(now): [12_000, 11_999],
            format_hour(now - timedelta(hours=23)): [340, 338],
            format_hour(now - timedelta(hours=24)): [70, 0],
        },
        page_cap=50,
        number_match="partial",
        vendor_offset_ms=-7_500,
    )
    found = facts(admin)
    assert found["switch"][0] == "good"
    assert "complete, 3 rows" in found["round"][1]
    assert re.fullmatch(r"2 parts, 3\d s old", found["tier-60"][1])
    assert found["calls"] == ("", "4.0 of 600 allowed (1.0 for people)")
    VendorCalls.objects.update(by_mirror=7_000)
    assert facts(admin)["calls"][0] == "warn"
    assert found["counts"] == ("good", "3 = 0 before + 3 within + 0 after + 0 without a time")
    assert found["guard"] == ("good", "none")
    assert found["proof"][1] == "agreed with 12,337 of 12,340 rows"
    assert found["column"][1] == "appointTime"
    assert found["page-cap"][1] == "50"
    assert found["number-match"][1] == "also parts of a number"
    assert found["clock"] == ("warn", "7.5 s before ours")
    states.update(count_total=5, round_complete=False, round_reason="parts-unread:3:wrong-total")
    MirrorLeaf.objects.update(as_of=now - timedelta(minutes=5))
    found = facts(admin)
    assert found["counts"][0] == "bad"
    assert found["round"] == ("warn", found["round"][1])
    reason = "3 parts could not be read: a total that is not that of the rows"
    assert f"not complete ({reason})" in found["round"][1]
    assert reason in admin.get(SETTINGS).content.decode()
    assert found["tier-60"][0] == "warn"


def test_every_failure_of_a_call_has_a_label() -> None:
    kinds = [ISalesError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for outcome in {kind.outcome for kind in kinds}:
        assert describe_reason(outcome) == str(RoundReason(outcome).label)
    assert describe_reason("as an earlier release wrote it") == "as an earlier release wrote it"


@pytest.mark.django_db
def test_admin_confirms_missing_rows_with_a_reason(people: dict[str, User], as_role: Any) -> None:
    admin, address = as_role("admin"), f"{DOCTOR}confirm-missing/"
    assert "data-guard" not in admin.get(DOCTOR).content.decode()
    MirrorState.objects.create(pk=88, guard_rows=57, guard_since=minute(0), guard_rounds=1)
    assert "1 of 3 complete rounds" in facts(admin)["guard"][1]
    assert as_role("supervisor").post(address, {"reason": "they were cancelled"}).status_code == 403
    led = admin.post(address, {"reason": "ok"})
    assert led.status_code == 303
    refused = admin.get(led.headers["Location"])
    assert refused.status_code == 422
    text = refused.content.decode()
    assert 'aria-invalid="true"' in text
    assert 'id="id_reason_error"' in text
    assert 'value="ok"' in text
    assert MirrorState.objects.get().guard_confirmed_at is None
    admin.post(address, {"reason": "cancelled on request of 13800138000"})
    assert MirrorState.objects.get().guard_confirmed_at is not None
    event = AuditEvent.objects.get(action=AuditAction.MIRROR_CONFIRMED)
    assert (event.actor, event.vdn_id, event.detail) == ("admin", 88, {"rows": 57})
    assert "13800138000" not in event.reason
    assert "data-guard" not in admin.get(DOCTOR).content.decode()
    # The form sent twice, or when nothing is held any more: no second event.
    admin.post(address, {"reason": "once more, please"})
    MirrorState.objects.update(guard_rows=0, guard_since=None, guard_confirmed_at=None)
    admin.post(address, {"reason": "once more, please"})
    assert AuditEvent.objects.filter(action=AuditAction.MIRROR_CONFIRMED).count() == 1


@pytest.mark.django_db
def test_admin_switches_the_mirror_of_an_own_vdn(people: dict[str, User], as_role: Any) -> None:
    admin, address = as_role("admin"), f"{SETTINGS}mirror/"
    assert 'data-mirror="88" data-enabled="true"' in admin.get(SETTINGS).content.decode()
    for _time in range(2):
        admin.post(address, {"vdn": "88", "enabled": "no"})
    assert MirrorState.objects.get().enabled is False
    event = AuditEvent.objects.get(action=AuditAction.MIRROR_SWITCHED)
    assert (event.vdn_id, event.detail) == (88, {"enabled": False})
    assert 'data-mirror="88" data-enabled="false"' in admin.get(SETTINGS).content.decode()
    assert "switched off" in facts(admin)["switch"][1]
    admin.post(address, {"vdn": "88", "enabled": "yes"})
    assert MirrorState.objects.get().enabled is True
    assert as_role("supervisor").post(address, {"vdn": "88"}).status_code == 403
    assert admin.post(address, {"vdn": "89", "enabled": "no"}).status_code == 404
    assert not MirrorState.objects.filter(pk=89).exists()


@pytest.mark.django_db
def test_monitoring_sees_age_and_lease_of_each_mirror(
    people: dict[str, User], client: Client
) -> None:
    now = timezone.now()
    mirror_rows(88, ROWS, at=now - timedelta(seconds=90))
    MirrorState.objects.filter(pk=88).update(lease_until=now + timedelta(seconds=30), guard_rows=2)
    mirrors = client.get("/readyz").json()["mirrors"]
    age = mirrors["88"].pop("age_seconds")
    assert 90 <= age < 150
    assert mirrors["88"] == {
        "enabled": True, "led": True, "round_complete": True, "unconfirmed_rows": 2,
    }  # fmt: skip
    assert mirrors["89"]["age_seconds"] is None
    text = client.get("/metrics").content.decode()
    assert 'callboard_mirror_led{vdn="88"} 1.0' in text
    assert 'callboard_mirror_unconfirmed_rows{vdn="88"} 2.0' in text
    assert re.search(r'callboard_mirror_age_seconds\{vdn="88"\} 9\d', text)
    assert 'callboard_mirror_age_seconds{vdn="89"}' not in text


@pytest.mark.parametrize(
    ("minutes", "calls", "state"),
    [(1, "", "ok"), (30, "", "unknown"), (30, "answered", "ok"), (30, "reset", "failing")],
)
def test_top_bar_shows_when_the_mirror_or_a_page_had_an_answer(
    vendor: Simulator, as_role: Any, minutes: int, calls: str, state: str
) -> None:
    mirror_rows(88, ROWS, at=timezone.now() - timedelta(minutes=minutes))
    client = as_role("supervisor")
    # The first look reads the code table.
    client.get("/vdn/88/reservations/", {"source": "mirror"})
    cache.clear()
    if calls == "reset":
        vendor.faults.add("reset", operation=LIST_RESERVATIONS, times=None)
    if calls:
        client.get("/vdn/88/reservations/", {"source": "live"})
    text = client.get("/vdn/88/reservations/", {"source": "mirror"}).content.decode()
    shown = re.search(r'data-health="(\w+)" title="([^"]*)"', text)
    assert shown is not None
    assert shown[1] == state
    assert ("last answer" in shown[2]) == (not calls)
