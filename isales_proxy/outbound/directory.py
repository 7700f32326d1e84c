"""Names of agents and tasks, taken from the rows of reservations, as suggestions for filters.

Task names are also stored in the database, because neither the vendor's task list nor the call data
contains names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django.core.cache import cache
from django.utils import timezone

from isales_proxy.access import Permission, Scope
from isales_proxy.client.records import Reservation
from isales_proxy.core.database import optional_write
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import MirrorAgent, MirrorTask, TaskName
from isales_proxy.privacy import masking

_KEEP_SECONDS: Final = 7 * 24 * 60 * 60
_MOST_NAMES: Final = 500
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class Names:
    """Agents (account → name) and tasks (ID → name)."""

    agents: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


def remember_names(*, scope: Scope, rows: Iterable[Reservation]) -> None:
    """Remember the names in rows that this person may see; write only if one is new."""
    known, rows = _get_names(scope), tuple(rows)
    agents = _find_new(known.agents, [(row.user_account, row.user_name) for row in rows])
    tasks = _find_new(known.tasks, [(row.task_id, row.task_name) for row in rows])
    if not agents and not tasks:
        return
    merged = Names(_merge(known.agents, agents), _merge(known.tasks, tasks))
    cache.set(_get_cache_key(scope), merged, _KEEP_SECONDS)
    if scope.can(Permission.SEE_ALL_AGENTS):
        _store_task_names(scope, tasks)


def get_known_names(*, scope: Scope) -> Names:
    """Return the names for a person's filters, masked for people who may not see numbers."""
    known = _get_names(scope)
    if scope.can(Permission.SEE_NUMBERS):
        return known
    return Names(*map(_mask, (known.agents, known.tasks)))


def add_mirrored_agents(known: Mapping[str, str], *, scope: Scope) -> dict[str, str]:
    """Add the agents of the VDN's mirror, masked like those of `get_known_names`, to `known`, whose
    names are newer. An agent gets none: they know the names of their own rows only."""
    rows = MirrorAgent.objects.filter(vdn=scope.vdn).values_list("account", "name")
    return _add_names(known, scope, rows)


def add_mirrored_tasks(known: Mapping[str, str], *, scope: Scope) -> dict[str, str]:
    """Add the tasks of the VDN's mirror, as `add_mirrored_agents` does."""
    rows = MirrorTask.objects.filter(vdn=scope.vdn).values_list("task_id", "name")
    return _add_names(known, scope, rows)


def _add_names(
    known: Mapping[str, str], scope: Scope, rows: Iterable[tuple[str, str]]
) -> dict[str, str]:
    found = dict(rows) if scope.can(Permission.SEE_ALL_AGENTS) else {}
    if not scope.can(Permission.SEE_NUMBERS):
        found = _mask(found)
    return found | {key: name for key, name in known.items() if name or key not in found}


def _mask(names: Mapping[str, str]) -> dict[str, str]:
    return {ident: masking.mask_text(name) for ident, name in names.items()}


def match(known: Mapping[str, str], text: str) -> dict[str, str]:
    """Return the known agents or tasks (ID → name) that match a typed text: by ID, else by name,
    else by a part of the name.

    Digits alone do not match a part of a name, since they are an ID that was not seen yet.
    """
    if text in known:
        return {text: known[text]}
    wanted = clean_text(text).casefold()
    if not wanted:
        return {}
    cleaned = {ident: clean_text(name).casefold() for ident, name in known.items()}
    found = [ident for ident in known if clean_text(ident) == text or cleaned[ident] == wanted]
    if not found and any(each.isalpha() for each in wanted):
        found = [ident for ident, name in cleaned.items() if wanted in name]
    return {ident: known[ident] for ident in found}


def _get_names(scope: Scope) -> Names:
    key = _get_cache_key(scope)
    names: Names | None = cache.get(key)
    if names is None:
        names = Names(tasks=_load_task_names(scope) if scope.can(Permission.SEE_ALL_AGENTS) else {})
        # Cached even when empty, so that the database is read once.
        cache.set(key, names, _KEEP_SECONDS)
    return names


def _find_new(
    known: Mapping[str, str], pairs: Iterable[tuple[str | None, str | None]]
) -> dict[str, str]:
    """Return the pairs that are new or changed; an empty name replaces no other."""
    found: dict[str, str] = {}
    for ident, name in pairs:
        if ident and (name or not (known.get(ident) or found.get(ident))):
            found[ident] = name or ""
    return {ident: name for ident, name in found.items() if known.get(ident) != name}


def _merge(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    return dict(list({**old, **new}.items())[-_MOST_NAMES:])


def _store_task_names(scope: Scope, tasks: Mapping[str, str]) -> None:
    """Store task names in the database, if it is available."""
    now = timezone.now()
    rows = [
        TaskName(vdn=scope.vdn, service_id=ident, name=name[:_LONGEST_NAME], seen_at=now)
        for ident, name in tasks.items()
        if name and len(ident) <= _LONGEST_ID
    ]
    if not rows:
        return
    optional_write(
        lambda: TaskName.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["vdn", "service_id"],
            update_fields=["name", "seen_at"],
        ),
        "task_names_not_stored",
        vdn=scope.vdn.pk,
    )


def _load_task_names(scope: Scope) -> dict[str, str]:
    found = TaskName.objects.filter(vdn=scope.vdn).order_by("-seen_at", "-pk")
    pairs = found.values_list("service_id", "name")[:_MOST_NAMES]
    # The newest last, since `_merge` drops the first ones.
    return dict(reversed(list(pairs)))


def _get_cache_key(scope: Scope) -> str:
    """Return one key for people who see all agents, and one for each other agent."""
    own = "" if scope.can(Permission.SEE_ALL_AGENTS) else f":{hash_key(scope.agent_account)}"
    return f"names:{scope.vdn.pk}{own}"
