"""Vendor that this database is used with: after a real CC-iSales never the simulator.

A worker or command without `ISALES_BASE_URL` would otherwise deliver real write-backs to the
simulator and replace the code table. Conversely, write-backs of a demo must not reach the real
CC-iSales, and its reservations must not stay in the list: the first use of a real CC-iSales cancels
the write-backs that are waiting and deletes the mirrors.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

import structlog
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from isales_proxy.client.errors import ISalesError
from isales_proxy.models import Vdn, VendorUse, WriteBack, WriteBackState, delete_mirrors

log = structlog.get_logger("isales")

REASON: Final = (
    "This database has been used with a real CC-iSales, but ISALES_BASE_URL is not set: this "
    "process lacks the configuration of the others. Set it, or another DATABASE_URL for a demo."
)
FROM_THE_DEMO: Final = "Written for the simulator, so it is never sent to CC-iSales."


class SimulatorRefused(ISalesError):
    """The simulator may not be used with this database. Nothing was sent."""

    maybe_sent = False
    outcome: ClassVar[str] = "simulator_refused"
    default_sentence: ClassVar[str] = REASON


def check() -> None:
    """Record which vendor the database is used with, before it is called.

    Raises SimulatorRefused for the simulator on a database of a real CC-iSales, and
    django.db.Error.
    """
    use = VendorUse.objects.first()
    if settings.ISALES.demo:
        if use is not None and use.real_since is not None:
            raise SimulatorRefused
        if use is None:
            VendorUse.objects.get_or_create(pk=1, defaults={"simulated_since": timezone.now()})
    elif use is None or use.real_since is None:
        _become_real()


def refuses_simulator() -> bool:
    """Return True if the simulator is configured for a database of a real CC-iSales.

    Writes nothing. False if the database is unreachable or has no tables.
    """
    if not settings.ISALES.demo:
        return False
    try:
        return VendorUse.objects.filter(real_since__isnull=False).exists()
    except DatabaseError:
        return False


def require_configured() -> None:
    """Raise CommandError in a command that lacks the configuration of the server, such as the key
    for encryption."""
    if refuses_simulator():
        raise CommandError(REASON)


def is_from_demo(created_at: datetime) -> bool:
    """Return True if a write-back of this time (aware) was created for the simulator."""
    return VendorUse.objects.filter(
        simulated_since__lte=created_at, real_since__gt=created_at
    ).exists()


def _become_real() -> None:
    with transaction.atomic():
        VendorUse.objects.get_or_create(pk=1)
        use = VendorUse.objects.select_for_update().get(pk=1)
        if use.real_since is not None:
            return
        use.real_since = now = timezone.now()
        use.save(update_fields=["real_since"])
        if use.simulated_since is None:
            return
        cancelled = WriteBack.objects.filter(state=WriteBackState.WAITING).update(
            state=WriteBackState.CANCELLED,
            problem=FROM_THE_DEMO,
            finished_at=now,
            claimed_by="",
            claimed_until=None,
        )
        delete_mirrors(list(Vdn.objects.values_list("pk", flat=True)))
        log.warning("demo_write_backs_cancelled", count=cancelled)
