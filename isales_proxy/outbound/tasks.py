"""Outbound tasks: the vendor's list of IDs, joined with the names that the reservations told.

Follows "Interface for Obtaining Outbound Call Tasks".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.core.response_cache import ResponseCache, Source
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.outbound import directory
from isales_proxy.vendor import gateway

FRESH_SECONDS: Final = 30.0
KEEP_SECONDS: Final = 6 * 60 * 60

_answers: ResponseCache[tuple[str, ...]] = ResponseCache("tasks", keep=KEEP_SECONDS)


@dataclass(frozen=True)
class Task:
    """One outbound task; the name is "" while no reservation has told it."""

    service_id: str
    name: str = ""


@dataclass(frozen=True)
class TaskList:
    """The tasks of a VDN in the vendor's order, and their provenance.

    `as_of` is when the vendor said so (aware UTC). `error` is what kept us from a newer answer
    (source "stale").
    """

    rows: tuple[Task, ...]
    as_of: datetime
    source: Source
    error: ISalesError | None = None


def list_tasks(*, scope: Scope) -> TaskList:
    """The tasks of the VDN, each once.

    Raises NotAllowed, and ISalesError when there is neither an answer nor an older one to show.
    """
    scope.require(Permission.SEE_OUTBOUND)
    found = get_isales_settings()

    def fetch(left: float) -> tuple[str, ...]:
        # The client minds the deadline itself; a wait for another's turn has shortened ours.
        tasks = gateway.get_client(scope.vdn).list_outbound_tasks(
            vdn=scope.vdn.pk,
            cc_id=scope.vdn.cc_id,
            deadline=left if left < found.deadline else None,
        )
        return tuple(dict.fromkeys(task.service_id for task in tasks if task.service_id))

    answer = _answers.ask(_key(scope), fetch, fresh=FRESH_SECONDS, patience=found.deadline)
    told = directory.get_known_names(scope=scope).tasks
    rows = tuple(Task(ident, told.get(ident, "")) for ident in answer.value)
    return TaskList(rows, answer.as_of, answer.source, answer.error)


def get_known_tasks(*, scope: Scope) -> dict[str, str]:
    """Task ID → name of all that this person may filter by; asks nobody.

    An agent knows those of their own reservations, all others also those of the last list.
    """
    told = directory.get_known_names(scope=scope).tasks
    if not scope.can(Permission.SEE_OUTBOUND):
        return told
    last = _answers.last(_key(scope))
    return dict.fromkeys(last.value, "") | told if last else told


def is_listed(*, scope: Scope, service_id: str, seen: bool) -> bool | None:
    """Whether CC-iSales lists the task; None where that is not known.

    It is asked only about a task that its last list lacks, or, where there is no list yet, that was
    not `seen` otherwise. Raises NotAllowed.
    """
    scope.require(Permission.SEE_OUTBOUND)
    last = _answers.last(_key(scope))
    if last and service_id in last.value:
        return True
    if not last and (seen or get_name(scope=scope, service_id=service_id)):
        return None
    try:
        return service_id in {task.service_id for task in list_tasks(scope=scope).rows}
    except ISalesError:
        return None


def get_name(*, scope: Scope, service_id: str) -> str:
    """What the task is called, "" where nobody told; asks nobody."""
    return directory.get_known_names(scope=scope).tasks.get(service_id, "")


def match(*, scope: Scope, text: str) -> directory.Match:
    """The tasks that a typed text can mean, among those that the person knows."""
    return directory.match(get_known_tasks(scope=scope), text)


def is_task_id(text: str) -> bool:
    """Whether a task can have this ID and a path can hold it."""
    plain = text.isprintable() and text == text.strip() and not {"/", "\\"} & set(text)
    return plain and 1 <= len(text) <= MAX_TEXT and text not in {".", ".."}


def _key(scope: Scope) -> str:
    return f"{scope.vdn.pk}:{scope.vdn.cc_id}"
