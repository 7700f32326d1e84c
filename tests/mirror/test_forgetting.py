"""Deletion from the mirror: by retention, and of a forgotten number everywhere."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.http import QueryDict
from django.utils import timezone

from isales_proxy import retention
from isales_proxy.accounts import form_drafts
from isales_proxy.exports import services as exports
from isales_proxy.mirror import forgetting
from isales_proxy.mirror.forgetting import load_forgotten
from isales_proxy.models import (
    AuditAction,
    AuditEvent,
    CallDatum,
    CountedBy,
    ExportJob,
    MirrorCount,
    MirrorRow,
    MirrorVersion,
    Phase,
    WriteBack,
    WriteBackState,
)
from isales_proxy.simulator import Simulator
from isales_proxy.write_backs import services as write_backs
from tests.support import outbox
from tests.support.call_data import ANSWER, NUMBER, answered, left_behind, scope_of
from tests.support.mirror import mirror_rows
from tests.support.mirror_versions import minute, write_version
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"


def forget(*args: str) -> str:
    out = io.StringIO()
    call_command("forget_number", *args, stdout=out)
    return out.getvalue().strip()


def stored() -> str:
    """Return the contents of all tables as text."""
    parts = []
    for model in apps.get_app_config("isales_proxy").get_models():
        for row in model._default_manager.all().values():
            parts += [
                bytes(value).decode("utf-8", "replace")
                if isinstance(value, bytes | memoryview)
                else str(value)
                for value in row.values()
            ]
    return "\n".join(parts)


@pytest.mark.django_db
def test_forgotten_number_is_deleted_everywhere_and_does_not_return(
    vendor: Simulator, people: dict[str, Any], as_role: Any
) -> None:
    plus, now = f"+{NUMBER}", timezone.now()
    common = {"calledNo": plus, "callType": "1", "appointTime": 1_900_000_000_000}
    vendor.add_rows(88, [common | {"appointId": "a"}, common | {"appointId": "x"}])
    supervisor = as_role("supervisor")
    query = {"called_no": plus}
    assert len(rows_of(supervisor.get(LIST, query).content.decode())) == 2
    gone = write_version(None, "appeared", after=None, by=minute(0), appoint_id="1", called_no=plus)
    write_version(gone, "gone", after=minute(1), by=minute(2), called_no=plus)
    other = write_version(
        None, "appeared", after=None, by=minute(0), appoint_id="2", called_no=NUMBER
    )
    write_version(other, "changed", after=minute(1), by=minute(2), called_no="70009")
    scope = scope_of(people)
    left_behind(**answered(ANSWER))
    for key in ("a", "b"):
        result = outbox.create(scope, key, phone_number=plus, asr_result=f"call {NUMBER} back")
        write_backs.queue_once(scope=scope, result=result, key=key)
    WriteBack.objects.filter(unique_id="a").update(
        state=WriteBackState.DELIVERED, fail_code="00000"
    )
    exports.request_export(
        scope=scope, source="-", kind="csv", question={"called_no": NUMBER}, total=1
    )
    form_drafts.save(
        user=people["supervisor"], key="k", address="/", fields=QueryDict(f"n=%2B{NUMBER}")
    )
    told = forget(f"65 9123-{NUMBER[-4:]}", "--vdn", "88", "--yes", "--reason", f"asked by {plus}")
    assert told == (
        "Forgotten. Removed: reservations: 1, rows of call data: 1, write-backs: 2, exports: 1,"
        " drafts: 1, texts of others: 2."
    )
    assert NUMBER not in stored()
    assert not ExportJob.objects.exists()
    assert not CallDatum.objects.exists()
    # Outcomes stay; waiting write-backs are not sent without their number.
    states = dict(WriteBack.objects.values_list("unique_id", "state"))
    assert states == {"a": WriteBackState.DELIVERED, "b": WriteBackState.CANCELLED}
    assert MirrorRow.objects.get().called_no == "70009"
    counted = MirrorCount.objects.filter(counted_by=CountedBy.ALL)
    assert dict(counted.values_list("phase", "rows")) == {Phase.OPEN: 1}
    find = load_forgotten(88).matches
    assert (find(plus), find(NUMBER), find("70009"), load_forgotten(89).matches(plus)) == (
        True, True, False, False,
    )  # fmt: skip
    # The next sweep does not bring it back.
    mirror_rows(88, [common | {"appointId": "x"}, {**common, "appointId": "y", "calledNo": "7"}])
    assert MirrorRow.objects.filter(key__in=("x", "y")).get().key == "y"
    assert NUMBER not in stored()
    # CC-iSales still lists it; no page shows it, from the cache or live.
    assert rows_of(supervisor.get(LIST, query).content.decode()) == []
    assert supervisor.get(f"{LIST}a/").status_code == 404
    event = AuditEvent.objects.get(action=AuditAction.NUMBER_FORGOTTEN)
    assert (event.vdn_id, event.actor) == (88, "system")
    assert event.detail["reservations"] == 1
    assert now <= event.at


@pytest.mark.django_db
def test_forget_command_asks_first_and_reads_the_number_from_standard_input(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"appoint_id": "1", "called_no": NUMBER}
    write_version(None, "appeared", after=None, by=minute(0), **row)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(CommandError, match="Nothing was changed"):
        forget(NUMBER)
    for arguments in (("12a4567", "--yes"), ("123", "--yes"), (NUMBER, "--vdn", "7", "--yes")):
        with pytest.raises(CommandError):
            forget(*arguments)
    assert MirrorRow.objects.count() == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NUMBER}\n"))
    assert "reservations: 1," in forget("--yes")
    assert not MirrorRow.objects.exists()


@pytest.mark.django_db
def test_row_whose_number_changes_meanwhile_is_not_deleted(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"appoint_id": "1", "called_no": NUMBER}
    write_version(None, "appeared", after=None, by=minute(0), **row)
    lock = forgetting._lock_mirror

    def sweep_and_lock(vdn_id: int) -> None:
        if load_forgotten(vdn_id):
            MirrorRow.objects.update(called_no="70009")
        lock(vdn_id)

    monkeypatch.setattr(forgetting, "_lock_mirror", sweep_and_lock)
    assert "reservations: 1" not in forget(NUMBER, "--yes")
    assert MirrorRow.objects.get().called_no == "70009"


@pytest.mark.django_db
def test_retention_deletes_versions_first_then_closed_rows_never_open_ones(
    people: dict[str, Any], settings: Any
) -> None:
    settings.RETENTION = replace(settings.RETENTION, mirror_version_days=90, mirror_row_days=180)
    facts: dict[str, Any] = {"called_no": "1", "agent": "116"}

    def write(name: str, days: int, **fields: Any) -> MirrorRow:
        by = now - timedelta(days=days)
        row = write_version(
            None, "appeared", after=None, by=by, appoint_id=name, appoint_time=by, **facts
        )
        values = {"appoint_time": by} | fields
        return write_version(
            row, "changed", after=by, by=by + timedelta(minutes=1), **facts, **values
        )

    now = timezone.now()
    write("open", 400)
    write("answered", 181, fail_code="00000")
    write("answered lately", 170, fail_code="00000")
    write("asked for again", 181, fail_code="00000", appoint_time=now)
    for name, days in (("gone", 181), ("gone lately", 170)):
        row = write(name, 181)
        by = now - timedelta(days=days)
        write_version(row, "gone", after=by, by=by, **facts)
    versions = MirrorVersion.objects.filter(row__key="open")
    assert versions.count() == 2
    done = retention.apply_retention(now)
    left = set(MirrorRow.objects.values_list("key", flat=True))
    assert left == {"open", "answered lately", "asked for again", "gone lately"}
    assert versions.count() == 1
    assert done["Reservations of the mirror"] > 2
    for count in MirrorCount.objects.filter(counted_by=CountedBy.NAMES):
        rows = MirrorRow.objects.filter(phase=count.phase, agent_id=count.agent_key)
        assert count.rows == rows.count()
    event = AuditEvent.objects.get(action=AuditAction.MIRROR_PURGED)
    assert (event.vdn_id, event.detail) == (88, {"rows": 2})
