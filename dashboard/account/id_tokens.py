"""ID tokens of OpenID Connect: who the provider says has logged in (OpenID Connect Core, 3.1.3.7).

allauth trusts the line by which a token came and reads it without its signature. Here the
signature counts, too: a proxy between us and the provider may end TLS.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import jwt

# Signatures of a key pair alone: `none` and those of a shared secret are not among them.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "EdDSA"),
)
# By how much the clocks may differ, in seconds.
_LEEWAY: Final = 30
_LONGEST_SUBJECT: Final = 191


class InvalidIdToken(ValueError):
    """Refusal of a token; the message contains no part of it."""


def compute_nonce(verifier: str) -> str:
    """Compute the nonce of the attempt that this PKCE verifier belongs to.

    Drawn from it, so that the two cannot come from different attempts.
    """
    return hmac.new(verifier.encode(), b"callboard.nonce", sha256).hexdigest()


def verify_id_token(
    raw: str, *, keys: Mapping[str, Any], issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """Return the claims of a token that is signed by one of `keys` (a JWK set), of this issuer,
    for us, of this attempt, and not expired. Raises InvalidIdToken."""
    try:
        header = jwt.get_unverified_header(raw)
        found: dict[str, Any] = jwt.decode(
            raw,
            key=_find_key(keys, header),
            algorithms=list(ALGORITHMS),
            audience=client_id,
            issuer=issuer,
            leeway=_LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidIdToken(type(error).__name__) from None
    audience = found["aud"]
    if isinstance(audience, list) and len(audience) > 1 and found.get("azp") != client_id:
        raise InvalidIdToken("issued to another client")
    if not hmac.compare_digest(str(found.get("nonce", "")).encode(), nonce.encode()):
        raise InvalidIdToken("of another attempt")
    if not isinstance(found["sub"], str) or not 0 < len(found["sub"]) <= _LONGEST_SUBJECT:
        raise InvalidIdToken("no usable subject")
    return found


def _find_key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> jwt.PyJWK:
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise InvalidIdToken("algorithm")
    usable = [key for key in keys["keys"] if key.get("use", "sig") == "sig"]
    if "kid" in header:
        usable = [key for key in usable if key.get("kid") == header["kid"]]
    if len(usable) != 1:
        raise InvalidIdToken("no such key")
    return jwt.PyJWK.from_dict(usable[0], algorithm=algorithm)
