"""Parsing of an answer of "Interface for Reading Outbound Call Data", from its bytes alone.

So an answer whose process died is parsed later with the same result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.utils import translation

from isales_proxy import problems
from isales_proxy.client import records
from isales_proxy.client.envelopes import read_rows_leniently
from isales_proxy.client.errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    Throttled,
    Unreachable,
)
from isales_proxy.client.operations import READ_CALL_DATA
from isales_proxy.client.transport import Received
from isales_proxy.client.values import make_storable
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
# The key of a row that is no JSON object.
_BARE_ROW: Final = "(row)"


@dataclass(frozen=True)
class ParsedAnswer:
    """The state of the batch, its rows, and the vendor's code and sentence."""

    state: BatchState
    rows: tuple[CallDatum, ...] = ()
    code: str = ""
    problem: str = ""


def parse_answer(received: Received | None, error: ISalesError | None) -> ParsedAnswer:
    """Parse the rows of an answer; after an error return the state that it leaves the batch in."""
    if received is not None and error is None:
        try:
            return ParsedAnswer(BatchState.TAKEN, _parse_rows(received))
        except ISalesError as raised:
            error = raised
    if error is None:
        return ParsedAnswer(BatchState.UNKNOWN)
    return ParsedAnswer(
        _get_state(received, error),
        code=(error.code or "")[:_LONGEST_CODE],
        problem=_describe(error),
    )


def _get_state(received: Received | None, error: ISalesError) -> BatchState:
    """Return REFUSED only if the vendor refused or was certainly not called, so that no numbers are
    lost."""
    is_refusal = isinstance(error, Refused | CredentialsRefused)
    if received and is_refusal and _contains_numbers(received):
        return BatchState.UNREADABLE
    if is_refusal or not error.maybe_sent or (received and 400 <= received.status < 500):
        return BatchState.REFUSED
    # Status 0: the status line is as unreadable as the rest.
    if received and (received.status == 0 or 200 <= received.status < 300) and received.body:
        return BatchState.UNREADABLE
    return BatchState.UNKNOWN


def _contains_numbers(received: Received) -> bool:
    """Tell whether a refusal contains numbers, which the vendor may not release again."""
    rows = (records.CallDatum.parse(row)[0] for row in read_rows_leniently(received.body))
    return any(datum.unique_id or datum.phone_numbers for datum in rows)


def _describe(error: ISalesError) -> str:
    """Return the vendor's sentence, else the problem's title in English, which pages translate."""
    if isinstance(error, Refused) and not isinstance(error, Misdirected):
        return error.vendor_sentence[:_LONGEST_PROBLEM]
    with translation.override("en"):
        return problems.describe(error).title[:_LONGEST_PROBLEM]


def _parse_rows(received: Received) -> tuple[CallDatum, ...]:
    """Create the rows without saving them. Raises ISalesError for any other answer."""
    envelope = READ_CALL_DATA.envelope
    if not 200 <= received.status < 300:
        code, sentence = envelope.read_refusal(received.body)
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
    return tuple(_create_row(row, position) for position, row in enumerate(found, 1))


def _create_row(row: object, position: int) -> CallDatum:
    datum, _drift = records.CallDatum.parse(row)
    return CallDatum(
        position=position,
        # `raw` keeps what does not fit. A truncated ID could be that of another row.
        service_id=_keep_if_fits(datum.service_id, _LONGEST_TASK),
        unique_id=_keep_if_fits(datum.unique_id, _LONGEST_UNIQUE_ID),
        phone_numbers="\n".join(" ".join(number.split()) for number in datum.phone_numbers),
        caller_number=(datum.caller_number or "")[:_LONGEST_CALLER],
        call_data=datum.call_data or "",
        ie_data=datum.ie_data or "",
        raw=_clean_json(row if isinstance(row, dict) else {_BARE_ROW: row}),
    )


def _keep_if_fits(text: str | None, most: int) -> str:
    return text if text and len(text) <= most else ""


def _clean_json(value: object, depth: int = 0) -> Any:
    """Return JSON that all databases accept: no NUL, lone surrogate or infinity, limited depth."""
    match value:
        case str():
            return make_storable(value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict() | list() if depth >= _DEEPEST:
            return "…"
        case dict():
            return {
                make_storable(str(name)): _clean_json(inner, depth + 1)
                for name, inner in value.items()
            }
        case list():
            return [_clean_json(inner, depth + 1) for inner in value]
    return value
