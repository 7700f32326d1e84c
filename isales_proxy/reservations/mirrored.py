"""A reservation from the mirror: the vendor's fields and those of the mirror."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from django.db.models import DateTimeField

from isales_proxy.client.records import Reservation, create_reservation
from isales_proxy.core.database import express_time
from isales_proxy.models import MirrorRow, MirrorVersion
from isales_proxy.models.mirror import ROW_FIELDS, Phase


class MirroredReservation(Reservation):
    """A reservation of the mirror, without the vendor's undocumented fields.

    A gone one went in the interval (`gone_after`, `gone_by`]. `unconfirmed`: the last reading
    missed it, but it is not treated as gone. `revision` is that of its last change,
    `first_revision` that in which it appeared; 0 for a version.
    """

    gone: bool = False
    unconfirmed: bool = False
    gone_after: datetime | None = None
    gone_by: datetime | None = None
    revision: int = 0
    first_revision: int = 0


ROW_FACTS: Final = ("gone_after", "gone_by", "revision", "first_revision")
# Indexes in the values of a row; the first value is its ID.
PHASE: Final = len(ROW_FIELDS) + 1
SORTED_BY: Final = len(ROW_FIELDS) + 12
REVISION: Final = len(ROW_FIELDS) + 13


@cache
def build_page_statement(_vendor: str) -> tuple[str, list[int]]:
    """Return the SQL that reads rows as they are now, and the indexes of its times.

    `changed`, an expression for the number of changed rows, and `ids` are inserted by `format`; the
    parameters are the VDN and those of the two. Every request of the list runs it: with a queryset
    the whole page takes a third more work.
    """
    named = {
        f"found.{field.column}": isinstance(field, DateTimeField)
        for field in MirrorRow._meta.concrete_fields  # noqa: SLF001 - Django's public name
    }
    columns = [f"found.{name}" for name in ("id", *ROW_FIELDS, "phase", "unconfirmed", *ROW_FACTS)]
    columns += ["agent.account", "task.task_id", "agent.name", "task.name", "task.status"]
    columns.append("found.appoint_time")
    times = [place for place, column in enumerate(columns) if named.get(column)]
    read = [express_time(each) if named.get(each) else each for each in columns]
    sql = f"""
        SELECT {", ".join(read)},
            (SELECT revision FROM isales_proxy_mirrorstate WHERE vdn_id = %s), ({{changed}})
        FROM isales_proxy_mirrorrow found
        LEFT JOIN isales_proxy_mirroragent agent ON agent.id = found.agent_id
        LEFT JOIN isales_proxy_mirrortask task ON task.id = found.task_id
        WHERE found.id IN ({{ids}})
    """  # noqa: S608 - names of our own
    return sql, times


def build_reservation(values: Sequence[Any]) -> MirroredReservation:
    """Build a reservation from the values of a row, without validation.

    The values are ID, ROW_FIELDS, phase, `unconfirmed`, ROW_FACTS, agent's account, task's ID,
    agent's name, task's name and status.
    """
    fields: dict[str, Any] = dict(zip(ROW_FIELDS, values[1:PHASE], strict=True))
    phase, unconfirmed, gone_after, gone_by, revision, first_revision = values[PHASE : PHASE + 6]
    account, task_id, agent_name, task_name, status = values[PHASE + 6 : SORTED_BY]
    fields |= {
        "user_account": account,
        "user_name": agent_name or None,
        "task_id": task_id,
        "task_name": task_name or None,
        "task_status": status or None,
        "gone": phase == Phase.GONE,
        "unconfirmed": unconfirmed,
        "gone_after": gone_after,
        "gone_by": gone_by,
        "revision": revision,
        "first_revision": first_revision,
    }
    return create_reservation(MirroredReservation, fields)


def to_reservation(row: MirrorRow | MirrorVersion) -> MirroredReservation:
    """Convert a row or a version, whose agent and task are loaded."""
    agent, task = row.agent, row.task
    facts = (getattr(row, "gone_after", None), getattr(row, "gone_by", None))
    return build_reservation(
        (
            *(row.pk, *(getattr(row, name) for name in ROW_FIELDS), row.phase, row.unconfirmed),
            *(*facts, row.revision, getattr(row, "first_revision", 0)),
            *(agent and agent.account, task and task.task_id, agent and agent.name),
            *(task and task.name, task and task.status),
        )
    )
