"""Leadership of a VDN's mirror: a lease in the database, and an epoch by which writes of a former
leader are refused. Taking the lease is one update, so that only one of two processes succeeds.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from isales_proxy.models.mirror import MirrorState

LEASE: Final = timedelta(seconds=30)
"""Longer than a call may take. After a leader was killed, another one leads within this time."""


class Leadership:
    """The lease of one VDN, as one sweeper sees it. `epoch` is None while it does not lead.
    `clock` returns aware UTC, `monotonic` seconds."""

    def __init__(
        self, vdn_id: int, *, clock: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._vdn_id = vdn_id
        self._clock, self._monotonic = clock, monotonic
        # Never used before.
        self._holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.epoch: int | None = None
        self._renewed_at = 0.0

    def keep(self) -> bool:
        """Take or renew the lease; tell whether we lead. A switched-off mirror has no leader."""
        if self.epoch is None:
            return self._take()
        passed = self._monotonic() - self._renewed_at
        if 0 <= passed < LEASE.total_seconds() / 3:
            return True
        ours = MirrorState.objects.filter(pk=self._vdn_id, epoch=self.epoch, enabled=True)
        if not ours.update(lease_until=self._clock() + LEASE, holder=self._holder):
            self.epoch = None
            return False
        self._renewed_at = self._monotonic()
        return True

    def release(self) -> None:
        """End the lease, so that another process can take it at once."""
        if self.epoch is not None:
            ours = MirrorState.objects.filter(pk=self._vdn_id, epoch=self.epoch)
            ours.update(holder="", lease_until=None)
        self.epoch = None

    def _take(self) -> bool:
        MirrorState.objects.get_or_create(pk=self._vdn_id)
        now = self._clock()
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        # No lease is so long: the clock was set back since, and its holder may be gone.
        free |= Q(lease_until__gt=now + 2 * LEASE)
        found = MirrorState.objects.filter(free, pk=self._vdn_id, enabled=True)
        if not found.update(holder=self._holder, lease_until=now + LEASE, epoch=F("epoch") + 1):
            return False
        ours = MirrorState.objects.filter(pk=self._vdn_id, holder=self._holder)
        self.epoch = ours.values_list("epoch", flat=True).first()
        self._renewed_at = self._monotonic()
        return self.epoch is not None
