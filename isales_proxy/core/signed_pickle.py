"""Pickles that bear a signature: whoever can write to Redis or to the job queue runs no code here.

What is cached are our own records, so pickle it stays; but nothing is unpickled that was not signed
with a key drawn from `SECRET_KEY`. The signature does not bind a value to its name: a writer can
still delete, repeat or exchange what we stored ourselves.
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
    """The value bears no signature of ours."""


def dumps(value: object, *, purpose: str) -> bytes:
    """Pickle and sign a value."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _signature(encryption.derive_key(purpose), data) + data


def loads(signed: bytes, *, purpose: str) -> Any:
    """Unpickle what was signed for this purpose. Raises Forged."""
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
    """For Django's Redis cache. Whole numbers stay bare, so that Redis itself can count them."""

    def dumps(self, value: Any) -> bytes | int:
        """What Redis keeps."""
        return value if type(value) is int else dumps(value, purpose="cache")

    def loads(self, data: bytes) -> Any:
        """The value. Raises Forged."""
        try:
            return int(data)
        except ValueError:
            return loads(data, purpose="cache")


class JobSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """For the job queue, whichever keeps it."""

    def _serialize(self, data: Any) -> bytes:
        return dumps(data, purpose="jobs")

    def _deserialize(self, data: bytes) -> Any:
        return loads(bytes(data), purpose="jobs")
