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
    """Access key and secret key. Raises `ValueError`, without the value, when one is unusable."""

    access_key: str
    secret_key: str = field(repr=False)

    def __post_init__(self) -> None:
        check_header_text("the access key", self.access_key)
        check_secret_text("the secret key", self.secret_key)

    def __repr__(self) -> str:
        return "Credentials(access_key='***', secret_key='***')"


@dataclass(frozen=True, slots=True)
class Request:
    """A request but for its proof, to the byte. ``path`` is as sent, ``query`` raw."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def check_header_text(name: str, value: str) -> None:
    """Raises `ValueError`, without the value, for what cannot stand in a header."""
    if not value or _NOT_IN_A_HEADER.search(value):
        raise ValueError(f"{name} must be printable ASCII without blanks")


def check_secret_text(name: str, value: str) -> None:
    """Raises `ValueError`, without the value, for what is no text on one line."""
    if not value or _CONTROL.search(value):
        raise ValueError(f"{name} must be text without control characters")


def signature_prefix(access_key: str, now: datetime, signed: Sequence[str] = ("host",)) -> str:
    """``auth-v2/AK/timestamp/signedHeaders``; ``now`` is aware, cut to whole seconds in UTC."""
    stamp = now.astimezone(UTC).strftime(_TIMESTAMP)
    return f"{SCHEME}/{access_key}/{stamp}/{_signed_names(signed)}"


def canonical_request(request: Request, signed: Sequence[str] = ("host",)) -> str:
    """The text that is signed, whatever the order of the query.

    Without query parameters its line is left out altogether; without a body the last line is
    empty. Raises `KeyError` when a header to be signed is not among those of the request.
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
    """The value of the ``Authorization`` header."""
    prefix = signature_prefix(keys.access_key, now, signed)
    # The second key is the hex text of the first result, not its bytes.
    signing_key = _hmac_hex(keys.secret_key, prefix)
    return f"{prefix}/{_hmac_hex(signing_key, canonical_request(request, signed))}"


def verify_c2(authorization: str, request: Request, keys: Credentials, now: datetime) -> bool:
    """Tell whether ``authorization`` signs exactly this request with these keys, at about ``now``.

    The server's side of `c2_header`; ``host`` must be signed. Never raises for a bad header.
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
    # compare_digest takes text only when it is ASCII; a foreign key need not be.
    return hmac.compare_digest(expected.encode(), authorization.encode("utf-8", "replace"))


def percent(value: str | bytes) -> str:
    """Percent-encode the UTF-8 bytes of ``value``; only ``A–Z a–z 0–9 - . _ ~`` stay."""
    return quote(value, safe="")


def _signed_names(signed: Sequence[str]) -> str:
    return ";".join(sorted({name.lower() for name in signed}))


def _hmac_hex(key: str, message: str) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
