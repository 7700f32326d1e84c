"""Reading the audit: one VDN's events and those about its people, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import Max

from isales_proxy.access import Permission, Scope
from isales_proxy.audit import retention
from isales_proxy.audit import services as audit
from isales_proxy.audit.event_data import mask_numbers
from isales_proxy.audit.verify import Verdict
from isales_proxy.models import AuditAction, AuditEvent, AuditHead, User
from isales_proxy.models.audit import AuditEventQuerySet

MOST_EXPORTED: Final = 50_000
# Beyond it a reader is told “more than”: to count them all would take long.
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
    """A question of the audit. `numbers` are fingerprints of one called number
    (`fingerprint_number_with_all_keys`); `before` and `after` are numbers of events, between which
    a page lies.
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

    @property
    def whole(self) -> AuditQuery:
        """The same question of all pages."""
        return replace(self, before=None, after=None)


@dataclass(frozen=True)
class AuditPage:
    """One page. `total` is capped at `MOST_COUNTED` + 1."""

    events: tuple[AuditEvent, ...]
    total: int
    newer: bool
    older: bool


@dataclass(frozen=True)
class AuditExport:
    """All events of a question, in its order."""

    events: Iterator[AuditEvent]
    total: int


def list_events(*, scope: Scope, query: AuditQuery) -> AuditPage:
    """List one page of events. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    whole = _select_matching(scope, query)
    up = query.oldest_first
    onward, back = (query.after, query.before) if up else (query.before, query.after)
    if back is not None:
        rows = _fetch_rows(_select_beyond(whole, back, later=not up), up=not up)
        previous, events = len(rows) > SIZE, rows[:SIZE][::-1]
        following = bool(events) and _select_beyond(whole, events[-1].pk, later=up).exists()
    else:
        rows = _fetch_rows(
            whole if onward is None else _select_beyond(whole, onward, later=up), up=up
        )
        following, events = len(rows) > SIZE, rows[:SIZE]
        previous = (
            bool(onward and events) and _select_beyond(whole, events[0].pk, later=not up).exists()
        )
    newer, older = (following, previous) if up else (previous, following)
    total = whole.order_by()[: MOST_COUNTED + 1].count()
    return AuditPage(tuple(events), total, newer, older)


def _select_beyond(whole: AuditEventQuerySet, event: int, *, later: bool) -> AuditEventQuerySet:
    return whole.after(event) if later else whole.before(event)


def _fetch_rows(part: AuditEventQuerySet, *, up: bool) -> list[AuditEvent]:
    """Fetch one page of these events and one more, the oldest first or the newest."""
    return list(part.order_by("pk" if up else "-pk")[: SIZE + 1])


def export(*, scope: Scope, query: AuditQuery, kind: str) -> AuditExport:
    """Export every matching event, recorded with the number that was searched for.

    Raises PermissionMissing and TooManyEvents.
    """
    scope.require(Permission.SEE_AUDIT)
    scope.require(Permission.EXPORT)
    found = _select_matching(scope, query)
    newest = found.order_by().aggregate(newest=Max("pk"))["newest"] or 0
    found = found.filter(pk__lte=newest).order_by("pk" if query.oldest_first else "-pk")
    total = found.count()
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
    return AuditExport(found.iterator(chunk_size=_CHUNK), total)


def list_actors(*, scope: Scope) -> list[str]:
    """Return the user names to filter by. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    found = User.objects.with_access_to(scope.vdn.pk)
    return list(found.order_by("username").values_list("username", flat=True))


def get_verification_state(*, scope: Scope) -> AuditHead | None:
    """Return the head: time and result of the last verification. Raises PermissionMissing."""
    scope.require(Permission.SEE_AUDIT)
    return AuditHead.objects.current()


def verify(*, scope: Scope, anchor: tuple[int, str] | None = None) -> Verdict:
    """Verify the chain for a person, against an anchor too if there is one.

    Raises PermissionMissing.
    """
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
    said = {
        "actions": list(query.actions),
        "person": mask_numbers(query.person),
        "text": mask_numbers(query.text),
        "by_number": bool(query.numbers),
        "address": query.address,
        "begin": query.begin,
        "end": query.end,
    }
    return {"filter": {name: value for name, value in said.items() if value}}
