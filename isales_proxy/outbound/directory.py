"""Names of agents and tasks, learnt from the reservations that passed by, for the filters to offer.

The vendor's list carries both names in every row, so no further interface is asked. What a task is
called is kept in the database, too: neither the task list nor the call data names any.
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
from isales_proxy.models import TaskName
from isales_proxy.privacy import masking

_KEEP_SECONDS: Final = 7 * 24 * 60 * 60
_MOST: Final = 500
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class Names:
    """Account → agent's name, and task ID → task name."""

    agents: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


def remember_names(*, scope: Scope, rows: Iterable[Reservation]) -> None:
    """Remember the names in rows that this person may see; writes only if one is new."""
    kept, rows = _kept(scope), tuple(rows)
    agents = _new(kept.agents, ((row.user_account, row.user_name) for row in rows))
    tasks = _new(kept.tasks, ((row.task_id, row.task_name) for row in rows))
    if not agents and not tasks:
        return
    merged = Names(_newest(kept.agents, agents), _newest(kept.tasks, tasks))
    cache.set(_key(scope), merged, _KEEP_SECONDS)
    if scope.can(Permission.SEE_ALL_AGENTS):
        _write_down(scope, tasks)


def get_known_names(*, scope: Scope) -> Names:
    """What the person's filters may offer; numbers in names are masked for who may not see any."""
    kept = _kept(scope)
    if scope.can(Permission.SEE_NUMBERS):
        return kept
    return Names(
        {ident: masking.mask_text(name) for ident, name in kept.agents.items()},
        {ident: masking.mask_text(name) for ident, name in kept.tasks.items()},
    )


@dataclass(frozen=True)
class Match:
    """ID → name of all that a typed text can mean. Only the ID itself, or one name, is certain."""

    found: Mapping[str, str] = field(default_factory=dict)

    @property
    def idents(self) -> tuple[str, ...]:
        """The IDs."""
        return tuple(self.found)

    @property
    def only(self) -> str:
        """The one ID that is meant; "" for none or several."""
        return self.idents[0] if len(self.found) == 1 else ""


def match(known: Mapping[str, str], text: str) -> Match:
    """What a text means among these: an exact ID, else an exact name, else a part of a name.

    Figures alone are never a part of a name: they are an ID that was not seen yet.
    """
    if text in known:
        return Match({text: known[text]})
    wanted = clean_text(text).casefold()
    if not wanted:
        return Match()
    told = {ident: clean_text(name).casefold() for ident, name in known.items()}
    found = [ident for ident in known if clean_text(ident) == text or told[ident] == wanted]
    if not found and any(each.isalpha() for each in wanted):
        found = [ident for ident, name in told.items() if wanted in name]
    return Match({ident: known[ident] for ident in found})


def _kept(scope: Scope) -> Names:
    key = _key(scope)
    kept: Names | None = cache.get(key)
    if kept is None:
        kept = Names(tasks=_written_down(scope) if scope.can(Permission.SEE_ALL_AGENTS) else {})
        # Kept even when empty, so that the database is asked once.
        cache.set(key, kept, _KEEP_SECONDS)
    return kept


def _new(kept: Mapping[str, str], pairs: Iterable[tuple[str | None, str | None]]) -> dict[str, str]:
    """What these pairs add to what is kept; an empty name takes none away."""
    found: dict[str, str] = {}
    for ident, name in pairs:
        if ident and (name or not (kept.get(ident) or found.get(ident))):
            found[ident] = name or ""
    return {ident: name for ident, name in found.items() if kept.get(ident) != name}


def _newest(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    return dict(list({**old, **new}.items())[-_MOST:])


def _write_down(scope: Scope, tasks: Mapping[str, str]) -> None:
    """Keep the names of tasks beyond a restart. A reader's page does not depend on it."""
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
        "task_names_not_kept",
        vdn=scope.vdn.pk,
    )


def _written_down(scope: Scope) -> dict[str, str]:
    found = TaskName.objects.filter(vdn=scope.vdn).order_by("-seen_at", "-pk")
    pairs = found.values_list("service_id", "name")[:_MOST]
    # The newest last: those are the ones that stay when there are too many.
    return dict(reversed(list(pairs)))


def _key(scope: Scope) -> str:
    """One memory for all who see every agent; an agent learns from their own rows alone."""
    own = "" if scope.can(Permission.SEE_ALL_AGENTS) else f":{hash_key(scope.agent_account)}"
    return f"names:{scope.vdn.pk}{own}"
