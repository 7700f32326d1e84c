"""The C2 signature: pure functions of request, clock and keys.

Vendor page: "C2 Monitoring, System Outbound Call, CDR, and Knowledge Base Interface
Authentication". The shape of the header::

    Authorization: auth-v2/{AK}/{timestamp}/{signedHeaders}/{signature}

The body enters the signature byte for byte, so the caller must send the bytes that it signs. The
same holds for the ``Host`` header, port included.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

SCHEME = "auth-v2"
MAX_SKEW = timedelta(minutes=15)

_TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
_NOT_IN_A_HEADER = re.compile(r"[^\x21-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEADER = re.compile(
    r"auth-v2/(?P<key>.+)/(?P<time>[0-9TZ:\-]{20})/(?P<signed>[a-z0-9;\-]+)/(?P<sig>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Access key and secret key. Raises `ValueError`, without the value, for an invalid one."""

    access_key: str
    secret_key: str = field(repr=False)

    def __post_init__(self) -> None:
        check_header_text("the access key", self.access_key)
        check_secret_text("the secret key", self.secret_key)

    def __repr__(self) -> str:
        return "Credentials(access_key='***', secret_key='***')"


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its signature. ``path`` is as sent, ``query`` not encoded."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def check_header_text(name: str, value: str) -> None:
    """Raise `ValueError`, without the value, for text that a header cannot contain."""
    if not value or _NOT_IN_A_HEADER.search(value):
        raise ValueError(f"{name} must be printable ASCII without blanks")


def check_secret_text(name: str, value: str) -> None:
    """Raise `ValueError`, without the value, for anything but one line of text."""
    if not value or _CONTROL.search(value):
        raise ValueError(f"{name} must be text without control characters")


def signature_prefix(access_key: str, now: datetime, signed: Sequence[str] = ("host",)) -> str:
    """Return ``auth-v2/AK/timestamp/signedHeaders``; ``now`` is aware, cut to seconds in UTC."""
    stamp = now.astimezone(UTC).strftime(_TIMESTAMP)
    return f"{SCHEME}/{access_key}/{stamp}/{_signed_names(signed)}"


def canonical_request(request: Request, signed: Sequence[str] = ("host",)) -> str:
    """Return the text that is signed; the order of the query does not matter.

    Without query parameters their line is left out; without a body the last line is empty. Raises
    `KeyError` when the request lacks a header that is to be signed.
    """
    values = {name.lower(): value.strip() for name, value in request.headers.items()}
    query = sorted(f"{percent(name)}={percent(value)}" for name, value in request.query)
    names = _signed_names(signed)
    lines = [request.method.upper(), request.path]
    if query:
        lines.append("&".join(query))
    lines.append(names)
    lines.extend(sorted(f"{percent(name)}:{percent(values[name])}" for name in names.split(";")))
    lines.append(percent(request.body))
    return "\n".join(lines)


def c2_header(
    request: Request, keys: Credentials, now: datetime, signed: Sequence[str] = ("host",)
) -> str:
    """Return the value of the ``Authorization`` header."""
    prefix = signature_prefix(keys.access_key, now, signed)
    # The second key is the hex text of the first result, not its bytes.
    signing_key = _hmac_hex(keys.secret_key, prefix)
    return f"{prefix}/{_hmac_hex(signing_key, canonical_request(request, signed))}"


def verify_c2(authorization: str, request: Request, keys: Credentials, now: datetime) -> bool:
    """Return True if ``authorization`` signs this request with these keys at about ``now``.

    The server's side of `c2_header`; ``host`` must be signed. Never raises for an invalid header.
    """
    found = _HEADER.fullmatch(authorization)
    if found is None:
        return False
    signed = found["signed"].split(";")
    present = {name.lower() for name in request.headers}
    if "host" not in signed or not present.issuperset(signed):
        return False
    try:
        moment = datetime.strptime(found["time"], _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    if abs(now - moment) > MAX_SKEW:
        return False
    expected = c2_header(request, keys, moment, signed)
    # Bytes, since compare_digest accepts ASCII text only.
    return hmac.compare_digest(expected.encode(), authorization.encode("utf-8", "replace"))


def percent(value: str | bytes) -> str:
    """Percent-encode the UTF-8 bytes of ``value``, all but ``A–Z a–z 0–9 - . _ ~``."""
    return quote(value, safe="")


def _signed_names(signed: Sequence[str]) -> str:
    return ";".join(sorted({name.lower() for name in signed}))


def _hmac_hex(key: str, message: str) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
