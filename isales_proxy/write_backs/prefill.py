"""What is already known of a result to be written back: from a reservation, or from a row of call
data that was taken.

Who may not see numbers writes them back all the same: the form names where a number stands, and it
is looked up when the result is stored.
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
    """Where a number stands, in a word for the form, and how the number looks masked."""

    key: str
    masked: str


@dataclass(frozen=True)
class Prefill:
    """Field of the form → value (times are aware), and what may stand in two of them.

    More than one unique ID or number is offered only: which one is meant, a person must say;
    `unique_ids` come with the time (aware) at which each was taken. For who may not see numbers
    there are `sources` in place of numbers.
    """

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    appoint_id: str = ""
    unique_ids: dict[str, datetime | None] = field(default_factory=dict)
    numbers: tuple[str, ...] = field(default=(), repr=False)
    sources: tuple[NumberSource, ...] = ()


def prefill_from_reservation(*, scope: Scope, appoint_id: str) -> Prefill | None:
    """From a reservation; None where this person finds none. Raises NotAllowed and ISalesError."""
    scope.require(Permission.WRITE_BACK)
    found = reservations.get_unmasked_for_service(scope=scope, appoint_id=appoint_id)
    if found is None:
        return None
    row = found.row
    ids = _unique_ids(scope, row)
    return Prefill(
        values=_given(
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
    """From a row of call data that was taken in this VDN; None where there is no such row."""
    scope.require(Permission.WRITE_BACK)
    row = CallDatum.objects.filter(batch__vdn=scope.vdn, pk=pk).select_related("batch").first()
    if row is None:
        return None
    numbers = tuple(dict.fromkeys(row.numbers))
    return Prefill(
        values=_given(
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
    """All numbers of where this key points, for who may not see them; () where there are none."""
    if scope.can(Permission.SEE_NUMBERS) or not key:
        return ()
    try:
        numbers = _numbers(scope, key)
    except ISalesError:
        return ()
    return tuple(
        NumberSource(each, masking.mask_number(number)) for each, number in numbers.items()
    )


def get_number(*, scope: Scope, key: str) -> str:
    """The number at this key, whole, for services alone; "" where there is none.

    Raises ISalesError.
    """
    return _numbers(scope, key).get(key, "")


def get_implied_number(*, scope: Scope, row: WriteBack) -> str:
    """The number that a write-back is about without saying it, whole, for services alone.

    That of its reservation as it was seen last, else the first that was taken under its unique ID;
    "" where neither is known. Nobody is asked.
    """
    if row.appoint_id and (
        number := reservations.get_last_seen_number(scope=scope, appoint_id=row.appoint_id)
    ):
        return number
    taken = CallDatum.objects.filter(batch__vdn=row.vdn_id, unique_id=row.unique_id)
    datum = taken.exclude(phone_numbers="").order_by("-pk").first()
    return datum.numbers[0] if datum else ""


def _numbers(scope: Scope, key: str) -> dict[str, str]:
    """Key → number of the reservation, or of the row of call data, that this key is one of."""
    kind, _colon, place = key.partition(":")
    if kind == _RESERVATION and place:
        found = reservations.get_unmasked_for_service(scope=scope, appoint_id=place)
        return {key: found.row.called_no} if found and found.row.called_no else {}
    ident = place.partition(":")[0]
    if kind != _DATUM or not (ident.isdecimal() and len(ident) <= _LONGEST_PK):
        return {}
    row = CallDatum.objects.filter(batch__vdn=scope.vdn, pk=int(ident)).first()
    numbers = tuple(dict.fromkeys(row.numbers))[:_MOST_OFFERED] if row else ()
    return {f"{_DATUM}:{ident}:{position}": each for position, each in enumerate(numbers)}


def _unique_ids(scope: Scope, row: Reservation) -> dict[str, datetime | None]:
    """Unique IDs under which the number was taken for this task, the latest first, with the time
    of it. A leading + makes no other number."""
    number = (row.called_no or "").removeprefix("+")
    if not number or not row.task_id:
        return {}
    taken = (
        CallDatum.objects.filter(
            batch__vdn=scope.vdn,
            batch__service_id=row.task_id,
            phone_numbers__contains=number,
        )
        .exclude(unique_id="")
        .select_related("batch")
        .order_by("-pk")[:_MOST_ROWS]
    )
    found: dict[str, datetime | None] = {}
    for datum in taken:
        if number in {each.removeprefix("+") for each in datum.numbers}:
            found.setdefault(datum.unique_id, datum.batch.answered_at)
    return dict(list(found.items())[:_MOST_OFFERED])


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
