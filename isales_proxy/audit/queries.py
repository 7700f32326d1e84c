"""Reads of the audit: the events of one VDN and those about its people, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import retention
from isales_proxy.audit import services as audit
from isales_proxy.audit.verify import Verdict
from isales_proxy.models import AuditAction, AuditEvent, AuditHead, User
from isales_proxy.models.audit import AuditEventQuerySet

MOST_EXPORTED: Final = 50_000
# Counting more would take too long; the page says “more than”.
MOST_COUNTED: Final = 10_000
SIZE: Final = 50
_CHUNK: Final = 500


class TooManyEvents(ValueError):
    """Refusal of an export: more events (`total`) than a file may hold."""

    def __init__(self, total: int) -> None:
        super().__init__(f"{total} events")
        self.total = total


@dataclass(frozen=True)
class AuditQuery:
    """Filter and page of the audit.

    `numbers` are the fingerprints of one called number (`fingerprint_number_with_all_keys`). The
    page ends before the event `before` or begins after the event `after` (primary keys).
    """

    actions: tuple[str, ...] = ()
    person: str = ""
    text: str = ""
    numbers: tuple[str, ...] = ()
    address: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    before: int | None = None
    after: int | None = None
    oldest_first: bool = False


@dataclass(frozen=True)
class AuditPage:
    """One page. `total` is at most `MOST_COUNTED` + 1; `newer` and `older` tell whether there are
    such events outside of the page."""

    events: tuple[AuditEvent, ...]
    total: int
    newer: bool
    older: bool


def list_events(*, scope: Scope, query: AuditQuery) -> AuditPage:
    """List one page of events. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    matching = _select_matching(scope, query)
    # Read from the event that bounds the page, or from the end of the list that is shown first.
    upward = query.before is None if query.oldest_first else query.after is not None
    bound = query.after if upward else query.before
    found = matching
    if bound is not None:
        found = matching.filter(pk__gt=bound) if upward else matching.filter(pk__lt=bound)
    # One more than a page, to know whether there are more.
    rows = list(found.order_by("pk" if upward else "-pk")[: SIZE + 1])
    events, newer = rows[:SIZE], len(rows) > SIZE
    older = False
    if bound is not None and events:
        first = events[0].pk
        older = (
            matching.filter(pk__lt=first) if upward else matching.filter(pk__gt=first)
        ).exists()
    if not upward:
        newer, older = older, newer
    if upward is not query.oldest_first:
        events.reverse()
    total = matching.order_by()[: MOST_COUNTED + 1].count()
    return AuditPage(tuple(events), total, newer, older)


def export(*, scope: Scope, query: AuditQuery, kind: str) -> tuple[Iterator[AuditEvent], int]:
    """Read all events of the query, whatever its page, and their number; recorded in the audit with
    the fingerprint that was searched for.

    Raises PermissionMissing and TooManyEvents.
    """
    scope.require(Permission.SEE_AUDIT, Permission.EXPORT)
    found, total = _select_matching(scope, query).freeze()
    if total > MOST_EXPORTED:
        raise TooManyEvents(total)
    audit.record(
        AuditAction.AUDIT_EXPORTED,
        by=scope,
        fingerprint=query.numbers[0] if query.numbers else "",
        kind=kind,
        count=total,
        **_describe_filter(query),
    )
    found = found.order_by("pk" if query.oldest_first else "-pk")
    return found.iterator(chunk_size=_CHUNK), total


def list_actors(*, scope: Scope) -> list[str]:
    """Return the user names to filter by. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    found = User.objects.with_access_to(scope.vdn.pk)
    return list(found.order_by("username").values_list("username", flat=True))


def get_verification_state(*, scope: Scope) -> AuditHead | None:
    """Return the head: time and result of the last verification. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    return AuditHead.objects.filter(pk=1).first()


def verify(*, scope: Scope, anchor: tuple[int, str] | None = None) -> Verdict:
    """Verify the chain, and an anchor if there is one. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    return retention.verify_and_store(anchor=anchor)


def _select_matching(scope: Scope, query: AuditQuery) -> AuditEventQuerySet:
    found = AuditEvent.objects.visible_in(scope.vdn.pk).matching(
        actions=query.actions,
        text=query.text,
        numbers=query.numbers,
        address=query.address,
        begin=query.begin,
        end=query.end,
    )
    return found.concerning(query.person, vdn_id=scope.vdn.pk) if query.person else found


def _describe_filter(query: AuditQuery) -> dict[str, Any]:
    values = {
        "actions": list(query.actions),
        "person": audit.mask_numbers(query.person),
        "text": audit.mask_numbers(query.text),
        "by_number": bool(query.numbers),
        "address": query.address,
        "begin": query.begin,
        "end": query.end,
    }
    return {"filter": {name: value for name, value in values.items() if value}}
