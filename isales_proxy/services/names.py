"""Names of agents and tasks, learnt from the reservations that passed by, for the filters to offer.

The vendor's list carries both names in every row, so no further interface is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from django.core.cache import cache

from isales_proxy.client.records import Reservation
from isales_proxy.services.access import Scope
from isales_proxy.services.answers import digest

_KEEP_SECONDS: Final = 7 * 24 * 60 * 60
_MOST: Final = 500


@dataclass(frozen=True)
class Names:
    """Account → agent's name, and task ID → task name."""

    agents: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


def learn(*, scope: Scope, rows: Iterable[Reservation]) -> None:
    """Remember the names in rows that this person may see; writes only if one is new."""
    key = _key(scope)
    kept = _kept(key)
    agents = {row.user_account: row.user_name or "" for row in rows if row.user_account}
    tasks = {row.task_id: row.task_name or "" for row in rows if row.task_id}
    if agents.items() <= kept.agents.items() and tasks.items() <= kept.tasks.items():
        return
    merged = Names(_newest(kept.agents, agents), _newest(kept.tasks, tasks))
    cache.set(key, merged, _KEEP_SECONDS)


def known(*, scope: Scope) -> Names:
    """What the person's filters may offer."""
    return _kept(_key(scope))


def _newest(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    return dict(list({**old, **new}.items())[-_MOST:])


def _kept(key: str) -> Names:
    return cache.get(key) or Names()


def _key(scope: Scope) -> str:
    """One memory for all who see every agent; an agent learns from their own rows alone."""
    own = "" if scope.sees_all_agents else f":{digest(scope.agent_account)}"
    return f"names:{scope.vdn.pk}{own}"
