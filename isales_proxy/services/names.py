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

_KEEP_SECONDS: Final = 7 * 24 * 60 * 60
_MOST: Final = 500


@dataclass(frozen=True)
class Names:
    """Account → agent's name, and task ID → task name."""

    agents: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


def learn(*, vdn_id: int, rows: Iterable[Reservation]) -> None:
    """Remember the names in these rows; writes only if one is new."""
    known = _known(vdn_id)
    agents = {row.user_account: row.user_name or "" for row in rows if row.user_account}
    tasks = {row.task_id: row.task_name or "" for row in rows if row.task_id}
    if agents.items() <= known.agents.items() and tasks.items() <= known.tasks.items():
        return
    merged = Names(_newest(known.agents, agents), _newest(known.tasks, tasks))
    cache.set(_key(vdn_id), merged, _KEEP_SECONDS)


def known(*, scope: Scope) -> Names:
    """What the person's filters may offer: agents only to those who see all of them."""
    found = _known(scope.vdn.pk)
    return found if scope.sees_all_agents else Names(tasks=found.tasks)


def _newest(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    return dict(list({**old, **new}.items())[-_MOST:])


def _known(vdn_id: int) -> Names:
    return cache.get(_key(vdn_id)) or Names()


def _key(vdn_id: int) -> str:
    return f"names:{vdn_id}"
