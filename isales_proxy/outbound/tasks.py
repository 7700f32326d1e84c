"""Outbound tasks: the vendor's list of IDs, joined with the names learnt from reservations.

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
    """One outbound task; the name is "" while no reservation has shown it."""

    service_id: str
    name: str = ""


@dataclass(frozen=True)
class TaskList:
    """The tasks of a VDN in the vendor's order, and their provenance.

    `as_of` is when the vendor answered (aware UTC). `error` is why there is no newer answer (source
    "stale").
    """

    rows: tuple[Task, ...]
    as_of: datetime
    source: Source
    error: ISalesError | None = None


def list_tasks(*, scope: Scope) -> TaskList:
    """List the tasks of the VDN, each once.

    Raises PermissionMissing, and ISalesError when there is neither an answer nor an older one.
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
        _get_cache_key(scope), fetch, fresh=FRESH_SECONDS, patience=deadline
    )
    names = directory.get_known_names(scope=scope).tasks
    rows = tuple(Task(ident, names.get(ident, "")) for ident in answer.value)
    return TaskList(rows, answer.as_of, answer.source, answer.error)


def get_known_tasks(*, scope: Scope) -> dict[str, str]:
    """Task ID → name of all tasks that this person may filter by; the vendor is not called.

    An agent knows those of their own reservations, all others also those of the last list.
    """
    names = directory.get_known_names(scope=scope).tasks
    if not scope.can(Permission.SEE_OUTBOUND):
        return names
    last = _answers.last(_get_cache_key(scope))
    return dict.fromkeys(last.value, "") | names if last else names


def is_listed(*, scope: Scope, service_id: str, seen: bool) -> bool | None:
    """Tell if CC-iSales lists the task; None where that is not known.

    It is called only for a task that its last list lacks, or, where there is no list yet, that was
    not `seen` otherwise. Raises PermissionMissing.
    """
    scope.require(Permission.SEE_OUTBOUND)
    last = _answers.last(_get_cache_key(scope))
    if last and service_id in last.value:
        return True
    if not last and (seen or get_name(scope=scope, service_id=service_id)):
        return None
    try:
        return service_id in {task.service_id for task in list_tasks(scope=scope).rows}
    except ISalesError:
        return None


def get_name(*, scope: Scope, service_id: str) -> str:
    """The task's name, "" where it is not known; the vendor is not called."""
    return directory.get_known_names(scope=scope).tasks.get(service_id, "")


def match(*, scope: Scope, text: str) -> dict[str, str]:
    """Return ID → name of the tasks known to the person that a typed text can mean."""
    known = get_known_tasks(scope=scope)
    if text not in known:
        known = known | directory.load_mirrored_names(scope=scope).tasks
    return directory.match(known, text)


def is_task_id(text: str) -> bool:
    """True for text that can be a task's ID and a part of a path."""
    plain = text.isprintable() and text == text.strip() and not {"/", "\\"} & set(text)
    return plain and 1 <= len(text) <= MAX_TEXT and text not in {".", ".."}


def _get_cache_key(scope: Scope) -> str:
    return f"{scope.vdn.pk}:{scope.vdn.cc_id}"
