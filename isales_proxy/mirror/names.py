"""Agents and tasks of mirrored rows, stored apart so that a task of 10,000 rows is renamed without
a version of any row; business results, stored apart so that each is searched once. The process that
leads a VDN's mirror is the only writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

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

_Names = tuple[str, ...]
"""Name of an agent; name and status of a task."""
_Answered = dict[str, set[_Names]]
"""By account or task ID all names that an answer has for it."""
_MAYBE_NUMBER: Final = re.compile(r"(?:[0-9][^0-9]{0,2}){5}")


@dataclass(frozen=True)
class _Kind:
    """Agents or tasks: their model, the field of its ID, those of its names, and the field of
    `MirrorName` that refers to it."""

    model: type[MirrorAgent | MirrorTask]
    id_field: str
    name_fields: tuple[str, ...]
    reference: str


_AGENTS: Final = _Kind(MirrorAgent, "account", ("name",), "agent")
_TASKS: Final = _Kind(MirrorTask, "task_id", ("name", "status"), "task")


@dataclass
class _KnownNames:
    """Names that one leader has seen stored, so that it need not load them: by account or task ID
    the primary key and the names."""

    epoch: int
    agents: dict[str, tuple[int, _Names]] = field(default_factory=dict)
    tasks: dict[str, tuple[int, _Names]] = field(default_factory=dict)


_known: dict[int, _KnownNames] = {}


@dataclass(frozen=True)
class NameKeys:
    """Primary keys by account and by the vendor's task ID, and whether a name has changed."""

    agents: dict[str, int]
    tasks: dict[str, int]
    changed: bool


def clear_memory() -> None:
    """Clear the names that this process has seen stored."""
    _known.clear()


def store_names(
    *, vdn_id: int, epoch: int, records: Iterable[Reservation], known_from: datetime
) -> NameKeys:
    """Store the agents and tasks of an answer with their present names, in the transaction of the
    caller. A blank name replaces no other; a stored name that some row still has is kept."""
    known = _known.get(vdn_id)
    if known is None or known.epoch != epoch:
        known = _KnownNames(epoch)
    agents, tasks = _clean(vdn_id, *_collect(records))
    fresh = _KnownNames(epoch, dict(known.agents), dict(known.tasks))
    changed = _store(_AGENTS, vdn_id, agents, fresh.agents, known_from)
    changed = _store(_TASKS, vdn_id, tasks, fresh.tasks, known_from) or changed
    if changed or len(fresh.agents) != len(known.agents) or len(fresh.tasks) != len(known.tasks):
        # A transaction that is rolled back must leave nothing behind.
        transaction.on_commit(lambda: _known.update({vdn_id: fresh}))
    return NameKeys(
        {account: fresh.agents[account][0] for account in agents},
        {task_id: fresh.tasks[task_id][0] for task_id in tasks},
        changed,
    )


def _collect(records: Iterable[Reservation]) -> tuple[_Answered, _Answered]:
    agents: _Answered = {}
    tasks: _Answered = {}
    for record in records:
        if record.user_account is not None:
            agents.setdefault(record.user_account, set()).add((record.user_name or "",))
        if record.task_id is not None:
            names = record.task_name or "", record.task_status or ""
            tasks.setdefault(record.task_id, set()).add(names)
    return agents, tasks


def _clean(vdn_id: int, *answered: _Answered) -> Iterable[_Answered]:
    """Return the names without forgotten numbers."""
    texts = (
        text for each in answered for found in each.values() for names in found for text in names
    )
    if not any(_MAYBE_NUMBER.search(text) for text in texts):
        return answered
    if not (forgotten := load_forgotten(vdn_id)):
        return answered
    return [
        {
            key: {tuple(forgotten.clean_text(text) for text in names) for names in found}
            for key, found in each.items()
        }
        for each in answered
    ]


def _store(
    kind: _Kind,
    vdn_id: int,
    answered: _Answered,
    known: dict[str, tuple[int, _Names]],
    known_from: datetime,
) -> bool:
    """Store the names of agents or tasks, and add them to `known`; return whether one changed."""
    rows: Any = kind.model._default_manager  # noqa: SLF001 - Django's public name
    if missing := [key for key in answered if key not in known]:
        found = rows.filter(vdn_id=vdn_id, **{f"{kind.id_field}__in": missing})
        for pk, key, *names in found.values_list("pk", kind.id_field, *kind.name_fields):
            known[key] = pk, tuple(names)
        new = {key: max(answered[key]) for key in missing if key not in known}
        made = rows.bulk_create(
            kind.model(vdn_id=vdn_id, **{kind.id_field: key}, **_name_fields(kind, names))
            for key, names in new.items()
        )
        known |= {key: (row.pk, new[key]) for key, row in zip(new, made, strict=True)}
        MirrorName.objects.bulk_create(
            MirrorName(**{kind.reference: row}, **_name_fields(kind, names), known_from=known_from)
            for row, names in zip(made, new.values(), strict=True)
        )
    changed = False
    for key, found in answered.items():
        pk, names = known[key]
        present = tuple(new or old for new, old in zip(max(found), names, strict=True))
        if names in found or present == names:
            continue
        row = {f"{kind.reference}_id": pk}
        rows.filter(pk=pk).update(**_name_fields(kind, present))
        MirrorName.objects.filter(**row, known_until=OPEN_END).update(known_until=known_from)
        MirrorName.objects.create(**row, **_name_fields(kind, present), known_from=known_from)
        known[key] = pk, present
        changed = True
    return changed


def _name_fields(kind: _Kind, names: _Names) -> dict[str, str]:
    return dict(zip(kind.name_fields, names, strict=True))


def store_business_results(vdn_id: int, records: Iterable[Reservation]) -> dict[str, int]:
    """Store the business results of changed rows, in the transaction of the caller; return their
    primary keys by text. They may be as many as the rows, so none is kept in memory."""
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
