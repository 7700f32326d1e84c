"""Converts a response to the payload of an operation, or raises the error for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Generic

import requests

from ..config import Endpoint
from ..envelopes import P
from ..errors import (
    BadAnswer,
    CredentialsRefused,
    ISalesError,
    Misdirected,
    Refused,
    Throttled,
    Unreachable,
)
from ..operations import AuthScheme, Operation
from .failures import HTTP_ERRORS, classify_read_error

NO_TOKEN = "CC-iSales gives no token for the credentials that are set."  # noqa: S105 – a sentence

_CHUNK = 64 * 1024
_SECONDS = re.compile(r"[0-9]{1,9}")
_REFUSAL = {
    AuthScheme.C2: CredentialsRefused.default_sentence,
    AuthScheme.BEARER: "CC-iSales refuses the token.",
    AuthScheme.OPEN: NO_TOKEN,
}


Read = Callable[[], tuple[bytes, ISalesError | None]]
"""Returns the body as far as it arrived, and the error if it is incomplete."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[P]):
    """The content of an operation's envelope, the request ID of the call and the HTTP status."""

    operation: Operation[P]
    payload: P
    request_id: str
    http_status: int


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as received, before it is decoded.

    ``complete`` says whether ``body`` is the whole body. A ``status`` of 0 means that the head of
    the answer cannot be read; ``body`` then holds all received bytes, the head included.
    """

    status: int
    body: bytes = field(repr=False)
    complete: bool
    request_id: str


def read_body(
    response: requests.Response, limit: int, *, even_too_large: bool = False
) -> tuple[bytes, ISalesError | None]:
    """Return the body as far as it arrived, and the error if it is incomplete.

    A body whose declared size is too large is read only with ``even_too_large``.
    """
    too_large = BadAnswer("The answer is larger than allowed.")
    declared = response.headers.get("Content-Length", "")
    if (
        declared.isascii()
        and declared.isdigit()
        and int(declared[:20]) > limit
        and not even_too_large
    ):
        return b"", too_large
    body = bytearray()
    try:
        # read1 hands over what is there; read would drop a part when the rest never comes.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            body += chunk
            if len(body) > limit:
                return bytes(body), too_large
    except HTTP_ERRORS as error:
        return bytes(body), classify_read_error(error)
    return bytes(body), None


def decode_response(
    response: requests.Response,
    operation: Operation[P],
    read: Read,
    *,
    now: datetime,
) -> P:
    """Return the payload. Raises the error for the status or the body.

    ``read`` is called only if the body matters.
    """
    status = response.status_code
    if 200 <= status < 300:
        return operation.envelope.decode(_read_whole(read))
    if 300 <= status < 400:
        raise Unreachable("CC-iSales answers with a redirect.", retryable=False)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise CredentialsRefused(_REFUSAL[operation.auth])
    retry_after = read_retry_after(response.headers.get("Retry-After"), now)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled(retry_after=retry_after)
    if status >= 500:
        # The OBS pages name this one status for a business failure.
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and operation.endpoint is Endpoint.OBS:
            code, sentence = _refusal(operation, read)
            if code is not None:
                raise Refused(code=code, vendor_sentence=sentence)
        raise Unreachable("CC-iSales reports an internal error.", retry_after=retry_after)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        # Our request did not arrive in time; it was not refused.
        raise Unreachable(retry_after=retry_after)
    if status < 200:
        raise BadAnswer("The answer has an unexpected status.")
    code, sentence = _refusal(operation, read, only=BadAnswer)
    if code is None:
        raise Misdirected(vendor_sentence=sentence)
    raise Refused(code=code, vendor_sentence=sentence)


def read_date(value: str | None) -> datetime | None:
    """Parse a ``Date`` header to an aware UTC datetime; ``None`` if invalid."""
    try:
        moment = parsedate_to_datetime((value or "").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Parse a ``Retry-After`` header, a number or an HTTP date, to seconds; ``None`` if neither.

    0 for a date in the past.
    """
    if _SECONDS.fullmatch((value or "").strip()):
        return float(value or 0)
    moment = read_date(value)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _read_whole(read: Read) -> bytes:
    body, failure = read()
    if failure is not None:
        raise failure
    return body


def _refusal(
    operation: Operation[P], read: Read, *, only: type[ISalesError] = ISalesError
) -> tuple[str | None, str]:
    """Return code and sentence in the body of a failure.

    Errors of reading it are ignored if they are of the type ``only``, else raised.
    """
    try:
        body = _read_whole(read)
    except only:
        return None, ""
    return operation.envelope.read_refusal(body)
