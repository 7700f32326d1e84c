"""Keys and fingerprints of reservations as answered: a key is the ID, or is made of fields that do
not change. Called numbers as integers, by which a part of a number is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from operator import itemgetter
from typing import Any, Final

from isales_proxy.client.records import Reservation
from isales_proxy.models.mirror import MirrorRow
from isales_proxy.privacy.phone_numbers import get_digits

MAX_KEY: Final = 200
MADE_KEY: Final = "~"
"""Beginning of keys that are made."""
_DIGEST_BYTES: Final = 16
# The fields of a reservation except the names, which are stored apart.
_COMPARED: Final = (
    "appoint_id", "call_type", "called_no", "caller_no", "timeout", "call_flag", "fail_code",
    "result", "busi_result", "task_id", "user_account",
)  # fmt: skip
_get_compared: Final = itemgetter(*_COMPARED)
_TIMES: Final = ("appoint_time", "begin_time", "end_time", "create_time")
_get_times: Final = itemgetter(*_TIMES)
# Digits of a number that are packed: 11 to this power is less than 2 to the 63rd.
_MAX_PACKED: Final = 18
_STABLE: Final = ("create_time", "called_no", "task_id", "call_type")


@dataclass(frozen=True, slots=True)
class KeyedRecord:
    """A record and its fingerprint."""

    record: Reservation
    fingerprint: bytes


def assign_keys(vdn_id: int, records: Iterable[Reservation]) -> dict[str, KeyedRecord]:
    """Return the records by key. If two have the same ID, the one created last has it as its key;
    the other one gets a made key if it is another reservation, else it is left out."""
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
        elif _are_different(other.record, record):
            # The same one has the ID, in whatever order they arrive.
            is_later = _get_rank(record) > _get_rank(other.record)
            newer, older = (entry, other) if is_later else (other, entry)
            keyed[key] = newer
            without.append(older)
    if without:
        _key_without_id(vdn_id, without, keyed)
    return keyed


def shorten_key(appoint_id: str) -> str:
    """Return the key of an ID: the ID, or a digest of it if it is too long or like a made key."""
    if len(appoint_id) <= MAX_KEY - 20 and not appoint_id.startswith(MADE_KEY):
        return appoint_id
    return f"{MADE_KEY}id{blake2b(appoint_id.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def pack_digits(digits: str) -> tuple[int, int]:
    """Return the range [low, high) of all packed numbers that begin with `digits`; `low` is that
    number itself.

    A digit is packed as 1 to 10 of base 11, and 0 is the end of a number. Both databases search
    integers in the same way, but not the beginnings of texts.
    """
    packed = digits[:_MAX_PACKED]
    value = 0
    for digit in packed:
        value = value * 11 + int(digit) + 1
    step = 11 ** (_MAX_PACKED - len(packed))
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


def compute_fingerprint(record: Reservation) -> bytes:
    """Return a digest of all fields except the names of agent and task and the task's status."""
    return _digest(record.__dict__)


def compute_row_fingerprint(row: MirrorRow) -> bytes:
    """Return the fingerprint of a stored row, whose agent and task are loaded."""
    values = {name: getattr(row, name, None) for name in (*_COMPARED, *_TIMES)}
    values["task_id"] = row.task.task_id if row.task else None
    values["user_account"] = row.agent.account if row.agent else None
    return _digest(values)


def _digest(values: Mapping[str, Any]) -> bytes:
    # One repr of everything: this is half of the time to compare an unchanged row.
    times = [time and time.timestamp() for time in _get_times(values)]
    text = repr((_get_compared(values), times))
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


def _key_without_id(vdn_id: int, entries: list[KeyedRecord], keyed: dict[str, KeyedRecord]) -> None:
    """Add made keys, of fields that do not change and a counter. A record that equals a stored row
    gets its key, then one of the same time; the others get free keys."""
    groups: dict[str, list[KeyedRecord]] = {}
    for entry in entries:
        values = entry.record.__dict__
        text = "\x1f".join(str(values[name]) for name in _STABLE)
        if entry.record.appoint_id is not None:
            text += f"\x1f{entry.record.appoint_id}"
        digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        groups.setdefault(f"{MADE_KEY}{digest}:", []).append(entry)
    for prefix, group in groups.items():
        rows = MirrorRow.objects.for_vdn(vdn_id).filter(key__gte=prefix, key__lt=f"{prefix[:-1]};")
        stored = [
            (key, bytes(fingerprint), time)
            for key, fingerprint, time in rows.values_list("key", "fingerprint", "appoint_time")
        ]
        taken = {key for key, _fingerprint, _time in stored}
        rest = group
        for by_time in (False, True):
            left = []
            for entry in rest:
                wanted = entry.record.appoint_time if by_time else entry.fingerprint
                match = next((each for each in stored if each[1 + by_time] == wanted), None)
                if match is None:
                    left.append(entry)
                    continue
                stored.remove(match)
                keyed[match[0]] = entry
            rest = left
        free = (key for number in count() if (key := f"{prefix}{number}") not in taken)
        keyed.update(zip(free, rest, strict=False))


def _are_different(one: Reservation, other: Reservation) -> bool:
    return one.create_time != other.create_time and one.called_no != other.called_no


def _get_rank(record: Reservation) -> tuple[float, str]:
    created = record.create_time
    return (created.timestamp() if created else 0.0), record.called_no or ""
