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


def canonical_request(
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    signed: Sequence[str] = ("host",),
) -> str:
    """The text that is signed. ``path`` is as sent; ``query`` is raw, in any order.

    Without query parameters its line is left out altogether; without a body the last line is
    empty. Raises `KeyError` when a header to be signed is not among ``headers``.
    """
    values = {name.lower(): value.strip() for name, value in headers.items()}
    names = _signed_names(signed)
    lines = [method.upper(), path]
    if query:
        lines.append("&".join(sorted(f"{percent(name)}={percent(value)}" for name, value in query)))
    lines.append(names)
    lines.extend(sorted(f"{percent(name)}:{percent(values[name])}" for name in names.split(";")))
    lines.append(percent(body))
    return "\n".join(lines)


def c2_header(
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
    now: datetime,
    signed: Sequence[str] = ("host",),
) -> str:
    """The value of the ``Authorization`` header. Parameters as in `canonical_request`."""
    prefix = signature_prefix(access_key, now, signed)
    text = canonical_request(
        method=method, path=path, query=query, headers=headers, body=body, signed=signed
    )
    # The second key is the hex text of the first result, not its bytes.
    signing_key = _hmac_hex(secret_key, prefix)
    return f"{prefix}/{_hmac_hex(signing_key, text)}"


def verify_c2(
    authorization: str,
    *,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
    now: datetime,
    max_skew: timedelta = MAX_SKEW,
) -> bool:
    """Tell whether ``authorization`` signs exactly this request with these keys, at about ``now``.

    The server's side of `c2_header`; ``host`` must be signed. Never raises for a bad header.
    """
    found = _HEADER.fullmatch(authorization)
    if found is None:
        return False
    signed = found["signed"].split(";")
    present = {name.lower() for name in headers}
    if "host" not in signed or not present.issuperset(signed):
        return False
    try:
        moment = datetime.strptime(found["time"], _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    if abs(now - moment) > max_skew:
        return False
    expected = c2_header(
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        access_key=access_key,
        secret_key=secret_key,
        now=moment,
        signed=signed,
    )
    # compare_digest takes text only when it is ASCII; a foreign key need not be.
    return hmac.compare_digest(expected.encode(), authorization.encode("utf-8", "replace"))


def percent(value: str | bytes) -> str:
    """Percent-encode the UTF-8 bytes of ``value``; only ``A–Z a–z 0–9 - . _ ~`` stay."""
    return quote(value, safe="")


def _signed_names(signed: Sequence[str]) -> str:
    return ";".join(sorted({name.lower() for name in signed}))


def _hmac_hex(key: str, message: str) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
