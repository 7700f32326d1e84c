"""Outbound tasks: the vendor's list of IDs, joined with the names seen in reservations.

Follows "Interface for Obtaining Outbound Call Tasks".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.core.response_cache import ResponseCache, Source
from isales_proxy.outbound import directory
from isales_proxy.vendor import gateway

FRESH_SECONDS: Final = 30.0
KEEP_SECONDS: Final = 6 * 60 * 60

_answers: ResponseCache[tuple[str, ...]] = ResponseCache("tasks", keep=KEEP_SECONDS)


@dataclass(frozen=True)
class Task:
    """One outbound task; the name is "" until it was seen in a reservation."""

    service_id: str
    name: str = ""


@dataclass(frozen=True)
class TaskList:
    """The tasks of a VDN in the vendor's order, and their provenance.

    `as_of` is when the vendor answered (aware UTC). With `source` "stale", `error` is why there is
    no newer answer.
    """

    rows: tuple[Task, ...]
    as_of: datetime
    source: Source
    error: ISalesError | None = None


def list_tasks(*, scope: Scope) -> TaskList:
    """List the tasks of the VDN, without duplicates.

    Raises PermissionMissing, and ISalesError when there is not even an older answer.
    """
    scope.require(Permission.SEE_OUTBOUND)
    deadline = settings.ISALES.deadline

    def fetch(left: float) -> tuple[str, ...]:
        # The client has the deadline already; waiting for another reader has shortened it.
        tasks = gateway.get_client(scope.vdn).list_outbound_tasks(
            vdn=scope.vdn.pk,
            cc_id=scope.vdn.cc_id,
            deadline=left if left < deadline else None,
        )
        return tuple(dict.fromkeys(task.service_id for task in tasks if task.service_id))

    answer = _answers.get_or_fetch(
        _get_cache_key(scope), fetch, fresh=FRESH_SECONDS, max_wait_s=deadline
    )
    names = directory.get_known_names(scope=scope).tasks
    rows = tuple(Task(ident, names.get(ident, "")) for ident in answer.value)
    return TaskList(rows, answer.as_of, answer.source, answer.error)


def get_known_tasks(*, scope: Scope) -> dict[str, str]:
    """Return the tasks (ID → name) that a person may filter by, without calling the vendor.

    For agents these are the tasks of their own reservations; others also get those of the last
    list.
    """
    names = directory.get_known_names(scope=scope).tasks
    if not scope.can(Permission.SEE_OUTBOUND):
        return names
    last = _answers.get_last(_get_cache_key(scope))
    return dict.fromkeys(last.value, "") | names if last else names


def is_listed(*, scope: Scope, service_id: str, seen: bool) -> bool | None:
    """Tell whether CC-iSales lists the task; None if that is not known.

    CC-iSales is called only for a task that is missing in its last list or, without a list, was not
    `seen` elsewhere. Raises PermissionMissing.
    """
    scope.require(Permission.SEE_OUTBOUND)
    last = _answers.get_last(_get_cache_key(scope))
    if last and service_id in last.value:
        return True
    if not last and (seen or get_name(scope=scope, service_id=service_id)):
        return None
    try:
        return service_id in {task.service_id for task in list_tasks(scope=scope).rows}
    except ISalesError:
        return None


def get_name(*, scope: Scope, service_id: str) -> str:
    """Return the task's name, or "" if it is unknown, without calling the vendor."""
    return directory.get_known_names(scope=scope).tasks.get(service_id, "")


def match(*, scope: Scope, text: str) -> dict[str, str]:
    """Return the known tasks (ID → name) that match a typed text."""
    known = get_known_tasks(scope=scope)
    if text not in known:
        known = directory.add_mirrored_tasks(known, scope=scope)
    return directory.match(known, text)


def is_task_id(text: str) -> bool:
    """Tell whether a text can be the ID of a task, also within a path."""
    plain = text.isprintable() and text == text.strip() and not {"/", "\\"} & set(text)
    return plain and 1 <= len(text) <= MAX_TEXT and text not in {".", ".."}


def _get_cache_key(scope: Scope) -> str:
    return f"{scope.vdn.pk}:{scope.vdn.cc_id}"
