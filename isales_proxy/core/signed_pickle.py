"""Signed pickles: write access to Redis or to the job queue does not allow running code here.

Nothing is unpickled that was not signed with a key derived from `SECRET_KEY`. The signature does
not bind a value to its name: a writer can still delete, repeat or exchange values that we stored.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any, Final

from huey.serializer import Serializer

from isales_proxy.core import encryption

_LENGTH: Final = hashlib.sha256().digest_size


class Forged(ValueError):
    """The value has no signature of ours."""


def dumps(value: object, *, purpose: str) -> bytes:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _signature(encryption.derive_key(purpose), data) + data


def loads(signed: bytes, *, purpose: str) -> Any:
    """Unpickle a value signed for this purpose. Raises Forged."""
    signature, data = signed[:_LENGTH], signed[_LENGTH:]
    if not any(
        hmac.compare_digest(signature, _signature(key, data))
        for key in encryption.derive_all_keys(purpose)
    ):
        raise Forged("no signature of ours")
    return pickle.loads(data)  # noqa: S301 - signed by us


def _signature(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


class CacheSerializer:
    """Serializer of Django's Redis cache. Integers stay plain, so that Redis can increment them."""

    def dumps(self, value: Any) -> bytes | int:
        return value if type(value) is int else dumps(value, purpose="cache")

    def loads(self, data: bytes) -> Any:
        """Deserialize a value. Raises Forged."""
        try:
            return int(data)
        except ValueError:
            return loads(data, purpose="cache")


class JobSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    def _serialize(self, data: Any) -> bytes:
        return dumps(data, purpose="jobs")

    def _deserialize(self, data: bytes) -> Any:
        return loads(bytes(data), purpose="jobs")
