"""Keys and fingerprints of answered reservations: by ID, and by what stays the same without one;
called numbers as integers, by which a part of one is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

from isales_proxy.client.records import Reservation
from isales_proxy.models.mirror import MirrorRow
from isales_proxy.privacy.phone_numbers import get_digits

MAX_KEY: Final = 200
_MADE: Final = "~"
_DIGEST_BYTES: Final = 16
# Of the fields of a reservation those without the names, which are kept apart.
_COMPARED: Final = (
    "appoint_id", "call_type", "called_no", "caller_no", "timeout", "call_flag", "fail_code",
    "result", "busi_result", "task_id", "user_account",
)  # fmt: skip
_get_compared: Final = itemgetter(*_COMPARED)
_TIMES: Final = ("appoint_time", "begin_time", "end_time", "create_time")
_get_times: Final = itemgetter(*_TIMES)
# Digits of a number that are packed: 11 to this power is less than 2 to the 63rd.
_PACKED: Final = 18
_STABLE: Final = ("create_time", "called_no", "task_id", "call_type")


@dataclass(frozen=True, slots=True)
class KeyedRecord:
    """A record and the fingerprint of all that a version of its row keeps."""

    record: Reservation
    fingerprint: bytes


def assign_keys(vdn_id: int, records: Iterable[Reservation]) -> dict[str, KeyedRecord]:
    """Return the records by key, one a key. Of two rows with one ID the one created last has it,
    and the other none of its own unless it is another reservation."""
    keyed: dict[str, KeyedRecord] = {}
    without: list[KeyedRecord] = []
    for record in records:
        entry = KeyedRecord(record, compute_fingerprint(record))
        key = record.appoint_id
        if key is None:
            without.append(entry)
            continue
        key = shorten_key(key)
        other = keyed.get(key)
        if other is None:
            keyed[key] = entry
        elif _differ(other.record, record):
            newer, older = (entry, other) if _is_later(record, other.record) else (other, entry)
            keyed[key] = newer
            without.append(older)
    if without:
        _key_without_id(vdn_id, without, keyed)
    return keyed


def shorten_key(appoint_id: str) -> str:
    """Return the key of an ID: itself, or a digest of one that is too long or looks like ours."""
    if len(appoint_id) <= MAX_KEY - 20 and not appoint_id.startswith(_MADE):
        return appoint_id
    return f"{_MADE}id{blake2b(appoint_id.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def pack_digits(digits: str) -> tuple[int, int]:
    """Return the integers [low, high) that every packed number that begins with `digits` has; a
    number itself is packed as `low`.

    Digits are those of base 11 from 1 on, so that 0 is where a number ends. Both databases search
    integers alike, which is not so of the beginnings of texts.
    """
    packed = digits[:_PACKED]
    value = 0
    for digit in packed:
        value = value * 11 + int(digit) + 1
    step = 11 ** (_PACKED - len(packed))
    return value * step, (value + 1) * step


def pack_number(number: str | None) -> dict[str, int | None]:
    """Return `number_begin` and `number_end` of a row with this called number."""
    digits = get_digits(number or "")
    if not digits:
        return {"number_begin": None, "number_end": None}
    return {
        "number_begin": pack_digits(digits)[0],
        "number_end": pack_digits(digits[::-1])[0],
    }


def digest_business_result(text: str) -> str:
    """Return the digest by which a business result is found."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def retire_key(row: MirrorRow) -> str:
    """Return the key of a row whose ID was given to another reservation."""
    return f"{row.key}{_MADE}{row.first_revision}"


def compute_fingerprint(record: Reservation) -> bytes:
    """Return a digest of all fields but the names of agent and task and the task's status."""
    return _digest(record.__dict__)


def compute_row_fingerprint(row: MirrorRow) -> bytes:
    """Return the fingerprint of the record that a row, whose agent and task are loaded, keeps."""
    values = {name: getattr(row, name, None) for name in (*_COMPARED, *_TIMES)}
    values["task_id"] = row.task.task_id if row.task else None
    values["user_account"] = row.agent.account if row.agent else None
    return _digest(values)


def _digest(values: Mapping[str, Any]) -> bytes:
    # One repr of all: this is half of what comparing an unchanged row costs.
    times = [moment and moment.timestamp() for moment in _get_times(values)]
    text = repr((_get_compared(values), times))
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


def _key_without_id(vdn_id: int, entries: list[KeyedRecord], keyed: dict[str, KeyedRecord]) -> None:
    """Give keys to rows that have none: stable fields and a counter. A row that is stored already
    as it is keeps its key, then one of the same time; the rest take what is free."""
    groups: dict[str, list[KeyedRecord]] = {}
    for entry in entries:
        values = entry.record.__dict__
        text = "\x1f".join(str(values[name]) for name in _STABLE)
        if entry.record.appoint_id is not None:
            text += f"\x1f{entry.record.appoint_id}"
        digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        groups.setdefault(f"{_MADE}{digest}:", []).append(entry)
    for prefix, group in groups.items():
        rows = MirrorRow.objects.for_vdn(vdn_id).filter(key__gte=prefix, key__lt=f"{prefix[:-1]};")
        stored = [
            (key, bytes(fingerprint), time)
            for key, fingerprint, time in rows.values_list("key", "fingerprint", "appoint_time")
        ]
        taken = {key for key, _fingerprint, _time in stored}
        rest = group
        for same in (_is_same, _is_at_same_time):
            left = []
            for entry in rest:
                match = next((each for each in stored if same(each, entry)), None)
                if match is None:
                    left.append(entry)
                    continue
                stored.remove(match)
                keyed[match[0]] = entry
            rest = left
        counter = 0
        for entry in rest:
            while f"{prefix}{counter}" in taken:
                counter += 1
            taken.add(f"{prefix}{counter}")
            keyed[f"{prefix}{counter}"] = entry


def _is_same(stored: tuple[str, bytes, datetime | None], entry: KeyedRecord) -> bool:
    return stored[1] == entry.fingerprint


def _is_at_same_time(stored: tuple[str, bytes, datetime | None], entry: KeyedRecord) -> bool:
    return stored[2] == entry.record.appoint_time


def _differ(one: Reservation, other: Reservation) -> bool:
    return one.create_time != other.create_time and one.called_no != other.called_no


def _is_later(one: Reservation, other: Reservation) -> bool:
    """Tell which was created later; whatever the order of arrival, the same one has the ID."""

    def rank(record: Reservation) -> tuple[float, str]:
        created = record.create_time
        return (created.timestamp() if created else 0.0), record.called_no or ""

    return rank(one) > rank(other)
