"""One reading applied to the mirror: versions, kinds, intervals, counts, names, keys."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from isales_proxy.client.records import Reservation
from isales_proxy.mirror.counters import COUNTED_FIELDS, CountKey, list_counters
from isales_proxy.mirror.readings import LeafAnswer, apply_reading
from isales_proxy.models import Vdn
from isales_proxy.models.mirror import (
    MirrorBusinessResult,
    MirrorCount,
    MirrorLeaf,
    MirrorName,
    MirrorRow,
    MirrorState,
    MirrorTask,
    MirrorVersion,
    Phase,
)
from tests.support.mirror import AT, MINUTE, make_row, mirror_rows, to_ms


def get_kinds(number: int) -> list[str]:
    versions = MirrorVersion.objects.filter(row__appoint_id=f"{number:030d}")
    return list(versions.order_by("pk").values_list("kinds", flat=True))


def check_counts() -> None:
    """Compare the stored counters with the rows."""
    names = ("counted_by", "phase", "agent_key", "task_key", "call_type", "value", "rows")
    counters = MirrorCount.objects.exclude(rows=0).values_list(*names)
    kept = {tuple(key): rows for *key, rows in counters}
    found: Counter[CountKey] = Counter()
    for row in MirrorRow.objects.values(*COUNTED_FIELDS):
        found.update(list_counters(row))
    assert kept == dict(found)


def test_each_change_is_a_version_with_its_kind_and_interval(vdn: Vdn) -> None:
    mirror_rows(vdn, [make_row(1), make_row(2)], at=AT)
    moved = make_row(1, appointTime=to_ms(AT + 500 * MINUTE), userAccount="117")
    mirror_rows(vdn, [moved, make_row(2)], at=AT + MINUTE)
    called = moved | {"beginTime": to_ms(AT), "endTime": to_ms(AT), "failCode": "00000"}
    mirror_rows(vdn, [called, make_row(2)], at=AT + 2 * MINUTE)
    mirror_rows(vdn, [called], at=AT + 3 * MINUTE)
    mirror_rows(vdn, [called, make_row(2)], at=AT + 4 * MINUTE)

    assert get_kinds(1) == ["appeared", "moved,handed-over", "result"]
    assert get_kinds(2) == ["appeared", "gone", "returned"]
    gone = MirrorVersion.objects.get(kinds="gone")
    assert (gone.after, gone.by) == (AT + 2 * MINUTE, AT + 3 * MINUTE)
    result = MirrorVersion.objects.get(kinds="result")
    # A minute before, it was read without the result.
    assert (result.after, result.by) == (AT + MINUTE, AT + 2 * MINUTE)
    assert MirrorRow.objects.get(appoint_id=called["appointId"]).phase == Phase.ANSWERED
    check_counts()


def test_unchanged_rows_are_not_written(vdn: Vdn, django_assert_max_num_queries: Any) -> None:
    rows = [make_row(number) for number in range(50)]
    mirror_rows(vdn, rows, at=AT)
    before = list(MirrorRow.objects.values_list("pk", "observed_at", "revision"))
    mirror_rows(vdn, rows, at=AT + MINUTE)
    assert list(MirrorRow.objects.values_list("pk", "observed_at", "revision")) == before
    assert MirrorVersion.objects.count() == 50
    assert MirrorState.objects.get().revision == 1


def test_older_answer_that_comes_later_changes_nothing(vdn: Vdn) -> None:
    mirror_rows(vdn, [make_row(1)], at=AT)
    mirror_rows(vdn, [make_row(1, userAccount="117")], at=AT + 2 * MINUTE)
    leaf = MirrorLeaf.objects.get(kind="time")
    record, _drift = Reservation.parse(make_row(1))
    for target in (leaf, None):
        apply_reading(
            vdn_id=88,
            epoch=0,
            leaf=target,
            answer=LeafAnswer((record,), AT + MINUTE, complete=True),
            now=AT + 3 * MINUTE,
        )
    assert MirrorRow.objects.get().agent.account == "117"
    assert MirrorState.objects.get().revision == 2
    assert MirrorVersion.objects.count() == 2


def test_answer_of_a_former_leader_is_not_applied(vdn: Vdn) -> None:
    mirror_rows(vdn, [make_row(1)], at=AT)
    MirrorState.objects.update(epoch=7)
    outcome = apply_reading(
        vdn_id=88,
        epoch=0,
        leaf=MirrorLeaf.objects.get(kind="time"),
        answer=LeafAnswer((), AT + MINUTE, complete=True),
        now=AT + MINUTE,
    )
    assert outcome.fenced
    assert outcome.missing == []


def test_renamed_task_writes_no_version(vdn: Vdn) -> None:
    rows = [make_row(number) for number in range(30)]
    mirror_rows(vdn, rows, at=AT)
    mirror_rows(vdn, [row | {"taskName": "Winback"} for row in rows], at=AT + MINUTE)
    assert MirrorVersion.objects.count() == 30
    assert MirrorTask.objects.get().name == "Winback"
    names = MirrorName.objects.exclude(task=None).order_by("known_from")
    assert [(each.name, each.known_from) for each in names] == [
        ("Renewals", AT),
        ("Winback", AT + MINUTE),
    ]
    assert names[0].known_until == AT + MINUTE
    assert MirrorState.objects.get().revision == 2


def test_migration_fills_the_columns_that_readings_fill(vdn: Vdn) -> None:
    rows = [
        make_row(number, busiResult=text, calledNo=called, failCode=code, appointTime=due)
        for number, (text, called, code, due) in enumerate(
            [
                ("Sold", "+861380", "00000", to_ms(AT)),
                ("好", None, "604", None),
                (None, "1" * 20, None, to_ms(AT) + 1),
                ("Sold", "*12#", None, to_ms(AT) + 3_600_000),
            ]
        )
    ]
    mirror_rows(vdn, rows, at=AT)
    mirror_rows(vdn, rows[1:], at=AT + MINUTE)

    def list_filled() -> list[list[tuple[Any, ...]]]:
        numbers = MirrorRow.objects.order_by("pk").values_list("number_begin", "number_end")
        texts = [
            model._default_manager.order_by("pk").values_list("business__text")
            for model in (MirrorRow, MirrorVersion)
        ]
        return [list(found) for found in (numbers, *texts)]

    filled = list_filled()
    MirrorRow.objects.update(business=None, number_begin=None, number_end=None)
    MirrorVersion.objects.update(business=None)
    for model in (MirrorBusinessResult, MirrorCount):
        model._default_manager.all().delete()
    for name in ("0022_fill_mirror_counts", "0024_count_type_hours"):
        filling = import_module(f"isales_proxy.migrations.{name}")
        filling.fill(apps, SimpleNamespace(connection=connection))
    assert list_filled() == filled
    check_counts()


def test_reused_id_is_another_reservation(vdn: Vdn) -> None:
    mirror_rows(vdn, [make_row(1)], at=AT)
    other = make_row(1, calledNo="99990000", createTime=to_ms(AT))
    mirror_rows(vdn, [other], at=AT + MINUTE)
    old, new = MirrorRow.objects.order_by("pk")
    assert (old.phase, old.called_no) == (Phase.GONE, "66660001")
    assert (new.phase, new.called_no) == (Phase.OPEN, "99990000")
    assert new.key == other["appointId"] != old.key
    check_counts()


@pytest.mark.parametrize("order", [1, -1])
def test_id_twice_in_one_answer_is_two_reservations(vdn: Vdn, order: int) -> None:
    rows = [make_row(1), make_row(1, calledNo="99990000", createTime=to_ms(AT))]
    mirror_rows(vdn, rows, at=AT)
    mirror_rows(vdn, rows[::order], at=AT + MINUTE)
    assert {row.called_no for row in MirrorRow.objects.present()} == {"66660001", "99990000"}
    assert MirrorVersion.objects.count() == 2


def test_rows_without_id_keep_their_identity(vdn: Vdn) -> None:
    same = {"appointId": None, "calledNo": "66660000", "createTime": to_ms(AT)}
    rows = [make_row(number, **same) for number in (1, 2, 3)]
    mirror_rows(vdn, rows, at=AT)
    assert MirrorRow.objects.present().count() == 3
    handed_over = make_row(2, **same) | {"userAccount": "117"}
    mirror_rows(vdn, [rows[2], handed_over, rows[0]], at=AT + MINUTE)
    assert MirrorRow.objects.count() == 3
    changed = MirrorVersion.objects.exclude(kinds="appeared")
    assert [each.kinds for each in changed] == ["handed-over"]


def test_known_from_increases_although_the_clock_goes_back(vdn: Vdn) -> None:
    mirror_rows(vdn, [make_row(1)], at=AT)
    mirror_rows(vdn, [make_row(1), make_row(2)], at=AT - 60 * MINUTE)
    first, second = MirrorVersion.objects.order_by("pk")
    assert second.known_from > first.known_from
