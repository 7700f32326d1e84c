"""Vendor that this database is used with: after the real CC-iSales, never the simulator again.

A worker or a command without `ISALES_BASE_URL` would otherwise mark real write-backs delivered that
only the simulator has seen, and replace the code table. The other way round, write-backs of a demo
must not reach the real CC-iSales: the first real use cancels those that wait.
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
from isales_proxy.models import VendorUse, WriteBack, WriteBackState

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
    """Record the vendor that the database is used with, before that vendor is called.

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
    """Tell whether the simulator is configured on a database of a real CC-iSales.

    Writes nothing. False for a database without tables or out of reach.
    """
    if not settings.ISALES.demo:
        return False
    try:
        return VendorUse.objects.filter(real_since__isnull=False).exists()
    except DatabaseError:
        return False


def see_configured() -> None:
    """Raise CommandError for a command without the configuration of the server: it would encrypt
    with another key than the server decrypts with."""
    if refuses_simulator():
        raise CommandError(REASON)


def is_from_demo(created_at: datetime) -> bool:
    """Tell whether a write-back of this time (aware) was meant for the simulator only."""
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
        log.warning("demo_write_backs_cancelled", count=cancelled)
