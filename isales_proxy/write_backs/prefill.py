"""Initial values of a write-back's form, from a reservation or a row of call data.

For people who may not see numbers the form has the key of a number, which is looked up when the
result is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.records import Reservation
from isales_proxy.models import CallDatum, WriteBack
from isales_proxy.privacy import masking
from isales_proxy.reservations import services as reservations

_MOST_ROWS: Final = 200
_MOST_OFFERED: Final = 20
_RESERVATION, _DATUM = "reservation", "datum"
_LONGEST_PK: Final = 18


@dataclass(frozen=True)
class NumberSource:
    """Key of a number on record, and the masked number."""

    key: str
    masked: str


@dataclass(frozen=True)
class Prefill:
    """Values by form field (times are aware), and choices for two of the fields.

    Several unique IDs or numbers are only offered, since a person must choose; `unique_ids` have
    the time (aware) at which each was taken. People who may not see numbers get `sources` instead
    of numbers.
    """

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    appoint_id: str = ""
    unique_ids: dict[str, datetime | None] = field(default_factory=dict)
    numbers: tuple[str, ...] = field(default=(), repr=False)
    sources: tuple[NumberSource, ...] = ()


def prefill_from_reservation(*, scope: Scope, appoint_id: str) -> Prefill | None:
    """Prefill from a reservation; None if it does not exist for this person.

    Raises PermissionMissing and ISalesError.
    """
    scope.require(Permission.WRITE_BACK)
    found = reservations.get_unmasked_for_service(scope=scope, appoint_id=appoint_id)
    if found is None:
        return None
    row = found.row
    ids = _list_unique_ids(scope, row)
    return Prefill(
        values=_drop_empty(
            unique_id=next(iter(ids)) if len(ids) == 1 else "",
            service_id=row.task_id,
            phone_number=row.called_no if scope.can(Permission.SEE_NUMBERS) else "",
            fail_code=row.fail_code,
            write_start_time=row.begin_time,
            end_call_time=row.end_time,
        ),
        appoint_id=appoint_id,
        unique_ids=ids,
        sources=list_number_sources(scope=scope, key=f"{_RESERVATION}:{appoint_id}"),
    )


def prefill_from_datum(*, scope: Scope, pk: int) -> Prefill | None:
    """Prefill from a row of call data of this VDN; None if it does not exist."""
    scope.require(Permission.WRITE_BACK)
    row = CallDatum.objects.for_vdn(scope.vdn).filter(pk=pk).select_related("batch").first()
    if row is None:
        return None
    numbers = tuple(dict.fromkeys(row.numbers))
    return Prefill(
        values=_drop_empty(
            unique_id=row.unique_id,
            service_id=row.service_id or row.batch.service_id,
            phone_number=numbers[0]
            if len(numbers) == 1 and scope.can(Permission.SEE_NUMBERS)
            else "",
            fetch_time=row.batch.answered_at,
        ),
        numbers=numbers[:_MOST_OFFERED] if scope.can(Permission.SEE_NUMBERS) else (),
        sources=list_number_sources(scope=scope, key=f"{_DATUM}:{pk}:0"),
    )


def list_number_sources(*, scope: Scope, key: str) -> tuple[NumberSource, ...]:
    """List the numbers of this key, masked; () for people who may see numbers."""
    if scope.can(Permission.SEE_NUMBERS) or not key:
        return ()
    try:
        numbers = _get_numbers(scope, key)
    except ISalesError:
        return ()
    return tuple(
        NumberSource(each, masking.mask_number(number)) for each, number in numbers.items()
    )


def get_number(*, scope: Scope, key: str) -> str:
    """Return the unmasked number of this key, for services only; "" if there is none.

    Raises ISalesError.
    """
    return _get_numbers(scope, key).get(key, "")


def get_implied_number(*, scope: Scope, row: WriteBack) -> str:
    """Find the unmasked number for a write-back without one, for services only.

    It is the number of its reservation as last seen, else the first one taken under its unique ID;
    "" if neither is known. The vendor is not called.
    """
    if row.appoint_id and (
        number := reservations.get_last_seen_number(scope=scope, appoint_id=row.appoint_id)
    ):
        return number
    taken = CallDatum.objects.for_vdn(row.vdn_id).filter(unique_id=row.unique_id)
    datum = taken.exclude(phone_numbers="").order_by("-pk").first()
    return datum.numbers[0] if datum else ""


def _get_numbers(scope: Scope, key: str) -> dict[str, str]:
    """Return the numbers, by key, of the reservation or row of call data that `key` belongs to."""
    kind, _colon, place = key.partition(":")
    if kind == _RESERVATION and place:
        found = reservations.get_unmasked_for_service(scope=scope, appoint_id=place)
        return {key: found.row.called_no} if found and found.row.called_no else {}
    ident = place.partition(":")[0]
    if kind != _DATUM or not (ident.isdecimal() and len(ident) <= _LONGEST_PK):
        return {}
    row = CallDatum.objects.for_vdn(scope.vdn).filter(pk=int(ident)).first()
    numbers = tuple(dict.fromkeys(row.numbers))[:_MOST_OFFERED] if row else ()
    return {f"{_DATUM}:{ident}:{position}": each for position, each in enumerate(numbers)}


def _list_unique_ids(scope: Scope, row: Reservation) -> dict[str, datetime | None]:
    """Return the unique IDs of the number in call data of this task, the latest first, with times.

    A number with and without a leading plus is the same.
    """
    number = (row.called_no or "").removeprefix("+")
    if not number or not row.task_id:
        return {}
    taken = (
        CallDatum.objects.for_vdn(scope.vdn)
        .filter(batch__service_id=row.task_id, phone_numbers__contains=number)
        .exclude(unique_id="")
        .select_related("batch")
        .order_by("-pk")[:_MOST_ROWS]
    )
    found: dict[str, datetime | None] = {}
    for datum in taken:
        if number in {each.removeprefix("+") for each in datum.numbers}:
            found.setdefault(datum.unique_id, datum.batch.answered_at)
    return dict(list(found.items())[:_MOST_OFFERED])


def _drop_empty(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
