"""A reservation from the mirror: the vendor's fields, and what the mirror knows of the row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from isales_proxy.client.records import Reservation, create_reservation
from isales_proxy.models import MirrorRow, MirrorVersion
from isales_proxy.models.mirror import ROW_FIELDS, Phase


class MirroredReservation(Reservation):
    """A reservation of the mirror, without the vendor's undocumented fields.

    A gone one went in the interval (`gone_after`, `gone_by`]. `unconfirmed` is one that a reading
    missed without its being called gone. `revision` is that of its last change, `first_revision`
    the one it appeared with; 0 for a version.
    """

    gone: bool = False
    unconfirmed: bool = False
    gone_after: datetime | None = None
    gone_by: datetime | None = None
    revision: int = 0
    first_revision: int = 0


def to_reservation(row: MirrorRow | MirrorVersion) -> MirroredReservation:
    """Convert a row or a version, whose agent and task are loaded, without validating it again."""
    agent, task = row.agent, row.task
    values: dict[str, Any] = {name: getattr(row, name) for name in ROW_FIELDS}
    values |= {
        "user_account": agent.account if agent else None,
        "user_name": (agent.name or None) if agent else None,
        "task_id": task.task_id if task else None,
        "task_name": (task.name or None) if task else None,
        "task_status": (task.status or None) if task else None,
        "gone": row.phase == Phase.GONE,
        "unconfirmed": row.unconfirmed,
        "gone_after": getattr(row, "gone_after", None),
        "gone_by": getattr(row, "gone_by", None),
        "revision": row.revision,
        "first_revision": getattr(row, "first_revision", 0),
    }
    return create_reservation(MirroredReservation, values)
