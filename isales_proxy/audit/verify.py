"""Verification of the audit chain, from its beginning to its head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import transaction

from isales_proxy.audit import chain
from isales_proxy.models import AuditEvent, AuditHead

_AT_ONCE: Final = 1000
_ANCHOR: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
# A verification starts again when events are purged meanwhile, which happens once a day.
_MOST_WALKS: Final = 3


class Fault(StrEnum):
    """A fault of the chain at one event; each an English sentence for logs and commands."""

    CHANGED = "event {at} is not as it was written, or was put in by somebody else"
    MISSING = "an event before event {at} is missing"
    REORDERED = "event {at} does not stand in its place"
    CUT = "the newest events are missing: event {at} was the last"
    HEAD = "the record of where the audit begins and ends was changed or deleted"
    ANCHOR = "event {at} is not the one that was noted elsewhere"


class Broken(ValueError):
    """Break of the chain at this event (0: its head)."""

    def __init__(self, fault: Fault, event_id: int = 0) -> None:
        super().__init__(fault, event_id)
        self.fault = fault
        self.event_id = event_id


@dataclass(frozen=True)
class Verdict:
    """Result of a verification: number and times of the events, number and fingerprint of the last
    one, and the first fault with the number of its event."""

    count: int
    first_at: datetime | None
    last_at: datetime | None
    last_id: int
    last_hash: str
    fault: Fault | None = None
    event_id: int = 0

    @property
    def anchor(self) -> str:
        """The last event as `NUMBER:FINGERPRINT`, to be saved elsewhere; "" for an empty audit."""
        return f"{self.last_id}:{self.last_hash}" if self.last_id else ""

    @property
    def short(self) -> str:
        """The fault as `NAME:EVENT`, as `AuditHead.problem` stores it; "" without a fault."""
        return f"{self.fault.name}:{self.event_id}" if self.fault else ""

    @property
    def problem(self) -> str:
        """The fault as an English sentence; "" without a fault."""
        return self.fault.value.format(at=self.event_id) if self.fault else ""


def parse_anchor(text: str) -> tuple[int, str] | None:
    """Parse the `NUMBER:FINGERPRINT` of an earlier verification; None for any other text."""
    match = _ANCHOR.fullmatch(text)
    return (int(match[1]), match[2]) if match else None


def verify(*, anchor: tuple[int, str] | None = None) -> Verdict:
    """Verify the whole chain, while events may be added and purged.

    `anchor` is the number and fingerprint of an event that was saved elsewhere. It also reveals an
    audit that was replaced by an older copy.
    """
    for _walk in range(_MOST_WALKS):
        before = AuditHead.objects.filter(pk=1).first()
        found = _Walk(before, anchor).run()
        after = AuditHead.objects.filter(pk=1).first()
        if found.fault is None or _get_beginning(before) == _get_beginning(after):
            break
    return found


def _get_beginning(head: AuditHead | None) -> str:
    return head.first_previous if head else ""


class _Walk:
    def __init__(self, head: AuditHead | None, anchor: tuple[int, str] | None) -> None:
        self._previous = _get_beginning(head)
        self._anchor = anchor
        self._anchored = anchor is None
        self._keys = chain.get_keys()
        self._count = 0
        self._first: AuditEvent | None = None
        self._last: AuditEvent | None = None

    def run(self) -> Verdict:
        fault, event_id = None, 0
        try:
            self._check_events()
            with transaction.atomic():
                # Nobody adds events while the head is locked.
                head = AuditHead.objects.select_for_update().filter(pk=1).first()
                self._check_events()
                self._check_head(head)
        except Broken as broken:
            fault, event_id = broken.fault, broken.event_id
        return Verdict(
            count=self._count,
            first_at=self._first.at if self._first else None,
            last_at=self._last.at if self._last else None,
            last_id=self._last.pk if self._last else 0,
            last_hash=self._last.hash if self._last else "",
            fault=fault,
            event_id=event_id,
        )

    def _check_events(self) -> None:
        """Check the events after the last checked one."""
        while batch := self._fetch_batch():
            for event in batch:
                self._check(event)

    def _fetch_batch(self) -> list[AuditEvent]:
        last = self._last.pk if self._last else 0
        return list(AuditEvent.objects.filter(pk__gt=last).order_by("pk")[:_AT_ONCE])

    def _check(self, event: AuditEvent) -> None:
        if not chain.is_intact(event, self._keys):
            raise Broken(Fault.CHANGED, event.pk)
        if event.previous != self._previous:
            elsewhere = AuditEvent.objects.filter(hash=event.previous).exclude(pk=event.pk)
            is_moved = event.previous and elsewhere.exists()
            raise Broken(Fault.REORDERED if is_moved else Fault.MISSING, event.pk)
        if self._anchor and event.pk == self._anchor[0]:
            if event.hash != self._anchor[1]:
                raise Broken(Fault.ANCHOR, event.pk)
            self._anchored = True
        self._previous = event.hash
        self._count += 1
        self._first = self._first or event
        self._last = event

    def _check_head(self, head: AuditHead | None) -> None:
        if head is None:
            if self._last:
                raise Broken(Fault.HEAD)
            return
        if not chain.is_head_intact(head):
            raise Broken(Fault.HEAD)
        if head.last != (self._last.hash if self._last else head.first_previous):
            raise Broken(Fault.CUT, head.last_id)
        if not self._anchored and self._anchor and not self._is_anchor_purged(head):
            raise Broken(Fault.ANCHOR, self._anchor[0])

    def _is_anchor_purged(self, head: AuditHead) -> bool:
        """Tell whether the event of the anchor was purged."""
        oldest = self._first.pk if self._first else head.last_id + 1
        return bool(self._anchor and head.first_previous and self._anchor[0] < oldest)


def verify_oldest(before: datetime, most: int) -> Iterator[AuditEvent]:
    """Yield the events before that time, the oldest first, at most `most`. Raises Broken at the
    first one that was changed or whose predecessor is missing.
    """
    head = AuditHead.objects.filter(pk=1).first()
    previous, keys = _get_beginning(head), chain.get_keys()
    for event in AuditEvent.objects.order_by("pk")[:most].iterator(chunk_size=_AT_ONCE):
        if event.at >= before:
            return
        if event.previous != previous:
            raise Broken(Fault.MISSING, event.pk)
        if not chain.is_intact(event, keys):
            raise Broken(Fault.CHANGED, event.pk)
        previous = event.hash
        yield event
