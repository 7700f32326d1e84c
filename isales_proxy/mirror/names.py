"""Agents and tasks that mirrored rows name: kept apart, so that a task of 10,000 rows is renamed
without a version of any row; business results, so that each is searched once. The leader of a VDN's
mirror is the only writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from isales_proxy.client.records import Reservation
from isales_proxy.mirror.forgetting import load_forgotten
from isales_proxy.mirror.row_keys import digest_business_result
from isales_proxy.models.mirror import (
    OPEN_END,
    MirrorAgent,
    MirrorBusinessResult,
    MirrorName,
    MirrorTask,
)

_AgentFacts = tuple[str, str]
_TaskFacts = tuple[str, str, str]
_Agents = dict[str, set[_AgentFacts]]
_Tasks = dict[str, set[_TaskFacts]]
# What could be a phone number.
_LONG: Final = re.compile(r"(?:[0-9][^0-9]{0,2}){5}")


@dataclass
class _KnownNames:
    """Names that one leader has seen written: what is in here needs no look at the database."""

    epoch: int
    agents: dict[str, tuple[int, str]] = field(default_factory=dict)
    tasks: dict[str, tuple[int, str, str]] = field(default_factory=dict)


_known: dict[int, _KnownNames] = {}


@dataclass(frozen=True)
class NameKeys:
    """Database IDs by account and by the vendor's task ID, and whether a name has changed."""

    agents: dict[str, int]
    tasks: dict[str, int]
    changed: bool


def clear_memory() -> None:
    """Forget the names that this process has seen written."""
    _known.clear()


def store_names(
    *, vdn_id: int, epoch: int, records: Iterable[Reservation], known_from: datetime
) -> NameKeys:
    """Store the agents and tasks of an answer with their present names, in the transaction of the
    caller. A blank name replaces no other; one that some row still bears is kept."""
    known = _known.get(vdn_id)
    if known is None or known.epoch != epoch:
        known = _KnownNames(epoch)
    agents, tasks = _clean(vdn_id, *_collect(records))
    fresh = _KnownNames(epoch, dict(known.agents), dict(known.tasks))
    changed = _store_agents(vdn_id, agents, fresh, known_from)
    changed = _store_tasks(vdn_id, tasks, fresh, known_from) or changed
    if changed or len(fresh.agents) != len(known.agents) or len(fresh.tasks) != len(known.tasks):
        # A transaction that is rolled back must leave nothing behind.
        transaction.on_commit(lambda: _known.update({vdn_id: fresh}))
    return NameKeys(
        {account: fresh.agents[account][0] for account in agents},
        {task_id: fresh.tasks[task_id][0] for task_id in tasks},
        changed,
    )


def _clean(vdn_id: int, agents: _Agents, tasks: _Tasks) -> tuple[_Agents, _Tasks]:
    """Return the names without forgotten numbers."""
    long = [name for facts in agents.values() for _account, name in facts if _LONG.search(name)]
    long += [
        fact
        for facts in tasks.values()
        for each in facts
        for fact in each[1:]
        if _LONG.search(fact)
    ]
    if not long or not (forgotten := load_forgotten(vdn_id)):
        return agents, tasks
    clean = forgotten.clean_text
    return (
        {key: {(key, clean(name)) for _key, name in facts} for key, facts in agents.items()},
        {
            key: {(key, clean(name), clean(status)) for _key, name, status in facts}
            for key, facts in tasks.items()
        },
    )


def _collect(
    records: Iterable[Reservation],
) -> tuple[_Agents, _Tasks]:
    agents: _Agents = {}
    tasks: _Tasks = {}
    for record in records:
        account, task_id = record.user_account, record.task_id
        if account is not None:
            agents.setdefault(account, set()).add((account, record.user_name or ""))
        if task_id is not None:
            facts = (task_id, record.task_name or "", record.task_status or "")
            tasks.setdefault(task_id, set()).add(facts)
    return agents, tasks


def _store_agents(vdn_id: int, agents: _Agents, known: _KnownNames, known_from: datetime) -> bool:
    missing = [account for account in agents if account not in known.agents]
    if missing:
        _load_agents(vdn_id, missing, known)
        new = [
            MirrorAgent(vdn_id=vdn_id, account=account, name=max(agents[account])[1])
            for account in missing
            if account not in known.agents
        ]
        for made in MirrorAgent.objects.bulk_create(new):
            known.agents[made.account] = made.pk, made.name
        MirrorName.objects.bulk_create(
            MirrorName(agent=made, name=made.name, known_from=known_from) for made in new
        )
    changed = False
    for account, facts in agents.items():
        key, name = known.agents[account]
        if (account, name) in facts or not (named := max(facts)[1]):
            continue
        MirrorAgent.objects.filter(pk=key).update(name=named)
        MirrorName.objects.filter(agent_id=key, known_until=OPEN_END).update(known_until=known_from)
        MirrorName.objects.create(agent_id=key, name=named, known_from=known_from)
        known.agents[account] = key, named
        changed = True
    return changed


def _store_tasks(vdn_id: int, tasks: _Tasks, known: _KnownNames, known_from: datetime) -> bool:
    missing = [task_id for task_id in tasks if task_id not in known.tasks]
    if missing:
        _load_tasks(vdn_id, missing, known)
        new = [
            MirrorTask(vdn_id=vdn_id, task_id=task_id, name=facts[1], status=facts[2])
            for task_id in missing
            if task_id not in known.tasks
            for facts in [max(tasks[task_id])]
        ]
        for made in MirrorTask.objects.bulk_create(new):
            known.tasks[made.task_id] = made.pk, made.name, made.status
        MirrorName.objects.bulk_create(
            MirrorName(task=made, name=made.name, status=made.status, known_from=known_from)
            for made in new
        )
    changed = False
    for task_id, facts in tasks.items():
        key, name, status = known.tasks[task_id]
        if (task_id, name, status) in facts:
            continue
        _task_id, named, state = max(facts)
        named, state = named or name, state or status
        if (named, state) == (name, status):
            continue
        MirrorTask.objects.filter(pk=key).update(name=named, status=state)
        MirrorName.objects.filter(task_id=key, known_until=OPEN_END).update(known_until=known_from)
        MirrorName.objects.create(task_id=key, name=named, status=state, known_from=known_from)
        known.tasks[task_id] = key, named, state
        changed = True
    return changed


def _load_agents(vdn_id: int, accounts: list[str], known: _KnownNames) -> None:
    found = MirrorAgent.objects.filter(vdn_id=vdn_id, account__in=accounts)
    for key, account, name in found.values_list("pk", "account", "name"):
        known.agents[account] = key, name


def _load_tasks(vdn_id: int, task_ids: list[str], known: _KnownNames) -> None:
    found = MirrorTask.objects.filter(vdn_id=vdn_id, task_id__in=task_ids)
    for key, task_id, name, status in found.values_list("pk", "task_id", "name", "status"):
        known.tasks[task_id] = key, name, status


def store_business_results(vdn_id: int, records: Iterable[Reservation]) -> dict[str, int]:
    """Store the business results of changed rows, in the transaction of the caller; return their
    database IDs by text. They may be as many as the rows, so none is kept in memory."""
    texts = {
        digest_business_result(record.busi_result): record.busi_result
        for record in records
        if record.busi_result
    }
    if not texts:
        return {}
    found = MirrorBusinessResult.objects.filter(vdn=vdn_id, digest__in=texts)
    keys = dict(found.values_list("digest", "pk"))
    new = [
        MirrorBusinessResult(vdn_id=vdn_id, digest=digest, text=text)
        for digest, text in texts.items()
        if digest not in keys
    ]
    for made in MirrorBusinessResult.objects.bulk_create(new):
        keys[made.digest] = made.pk
    return {text: keys[digest] for digest, text in texts.items()}
