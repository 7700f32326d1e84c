"""Verification of ID tokens (OpenID Connect Core, 3.1.3.7).

allauth relies on TLS and does not verify the signature of a token. Here it is verified, since a
proxy between us and the provider may end TLS.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import jwt

# Only signatures with a key pair, not `none` or those with a shared secret.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "EdDSA"),
)
# Allowed difference of the clocks.
_LEEWAY_S: Final = 30
_LONGEST_SUBJECT: Final = 191


class InvalidIdToken(ValueError):
    """Refusal of a token; the message contains nothing of it."""


def compute_nonce(verifier: str) -> str:
    """Derive the nonce of a log-in from its PKCE verifier, so that both belong to one attempt."""
    return hmac.new(verifier.encode(), b"callboard.nonce", sha256).hexdigest()


def verify_id_token(
    raw: str, *, keys: Mapping[str, Any], issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """Verify signature (`keys` is a JWK set), issuer, audience, nonce and expiry of a token; return
    its claims. Raises InvalidIdToken."""
    try:
        header = jwt.get_unverified_header(raw)
        found: dict[str, Any] = jwt.decode(
            raw,
            key=_find_key(keys, header),
            algorithms=list(ALGORITHMS),
            audience=client_id,
            issuer=issuer,
            leeway=_LEEWAY_S,
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
