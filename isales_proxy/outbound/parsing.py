"""What an answer of "Interface for Reading Outbound Call Data" amounts to, from its bytes alone.

So that an answer whose process died can be read later as well as it would have been at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.utils import translation

from isales_proxy import problems
from isales_proxy.client import Received
from isales_proxy.client.errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    Throttled,
    Unreachable,
)
from isales_proxy.client.obs_envelopes import read_rows_leniently
from isales_proxy.client.operations import READ_CALL_DATA
from isales_proxy.client.records import parse_call_datum
from isales_proxy.client.values import storable
from isales_proxy.models import BatchState, CallDatum

_DEEPEST: Final = 50
_LONGEST_PROBLEM: Final = 400
_LONGEST_CODE: Final = 40
_LONGEST_TASK: Final = 64
_LONGEST_UNIQUE_ID: Final = 128
_LONGEST_CALLER: Final = 64
_BY_STATUS: Final = {
    0: BadAnswer,
    HTTPStatus.UNAUTHORIZED: CredentialsRefused,
    HTTPStatus.FORBIDDEN: CredentialsRefused,
    HTTPStatus.REQUEST_TIMEOUT: Unreachable,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}
# Under this name a row that is no object is kept in one.
_NO_OBJECT: Final = "(row)"


@dataclass(frozen=True)
class ParsedAnswer:
    """The state that a batch comes to, its rows, and what the vendor had to say."""

    state: BatchState
    rows: tuple[CallDatum, ...] = ()
    code: str = ""
    problem: str = ""


def parse_answer(received: Received | None, error: ISalesError | None) -> ParsedAnswer:
    """What became of a call. Without an error the rows are read out of the answer."""
    if received is not None and error is None:
        try:
            return ParsedAnswer(BatchState.TAKEN, _rows(received))
        except ISalesError as raised:
            error = raised
    if error is None:
        return ParsedAnswer(BatchState.UNKNOWN)
    return ParsedAnswer(
        _state(received, error), code=(error.code or "")[:_LONGEST_CODE], problem=_words(error)
    )


def _state(received: Received | None, error: ISalesError) -> BatchState:
    """Refused only where the vendor said so or was certainly not asked: numbers are at stake."""
    said_no = isinstance(error, Refused | CredentialsRefused)
    if received and said_no and _numbers_despite(received):
        return BatchState.UNREADABLE
    if said_no or not error.maybe_sent or (received and 400 <= received.status < 500):
        return BatchState.REFUSED
    # Status 0: the head of the answer is as unreadable as the rest.
    if received and (received.status == 0 or 200 <= received.status < 300) and received.body:
        return BatchState.UNREADABLE
    return BatchState.UNKNOWN


def _numbers_despite(received: Received) -> bool:
    """Whether an answer that says no brings numbers all the same, which are then not lightly
    asked for again."""
    read = (parse_call_datum(row)[0] for row in read_rows_leniently(received.body))
    return any(datum.unique_id or datum.phone_numbers for datum in read)


def _words(error: ISalesError) -> str:
    """The vendor's own words, else the title of the problem in English, which pages translate."""
    if isinstance(error, Refused) and not isinstance(error, Misdirected):
        return error.vendor_sentence[:_LONGEST_PROBLEM]
    with translation.override("en"):
        return problems.describe(error).title[:_LONGEST_PROBLEM]


def _rows(received: Received) -> tuple[CallDatum, ...]:
    """The rows, not yet in the database. Raises ISalesError when it is no good answer."""
    envelope = READ_CALL_DATA.envelope
    if not 200 <= received.status < 300:
        code, sentence = envelope.refusal(received.body)
        if code:
            raise Refused(code=code, vendor_sentence=sentence)
        if received.status in _BY_STATUS:
            raise _BY_STATUS[received.status]
        if 400 <= received.status < 500:
            raise Misdirected(vendor_sentence=sentence)
        raise Unreachable
    if not received.complete:
        raise BadAnswer
    found = envelope.decode(received.body).rows
    return tuple(_row(row, position) for position, row in enumerate(found, 1))


def _row(row: object, position: int) -> CallDatum:
    datum, _drift = parse_call_datum(row)
    return CallDatum(
        position=position,
        # What the columns cannot hold is in `raw`. An ID cut short would be that of another.
        service_id=_whole(datum.service_id, _LONGEST_TASK),
        unique_id=_whole(datum.unique_id, _LONGEST_UNIQUE_ID),
        phone_numbers="\n".join(" ".join(number.split()) for number in datum.phone_numbers),
        caller_number=(datum.caller_number or "")[:_LONGEST_CALLER],
        call_data=datum.call_data or "",
        ie_data=datum.ie_data or "",
        raw=_plain(row if isinstance(row, dict) else {_NO_OBJECT: row}),
    )


def _whole(text: str | None, most: int) -> str:
    return text if text and len(text) <= most else ""


def _plain(value: object, depth: int = 0) -> Any:
    """JSON that every database takes: no NUL, no half characters, no infinity, no abyss."""
    match value:
        case str():
            return storable(value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict() | list() if depth >= _DEEPEST:
            return "…"
        case dict():
            return {storable(str(name)): _plain(inner, depth + 1) for name, inner in value.items()}
        case list():
            return [_plain(inner, depth + 1) for inner in value]
    return value
