"""What the database keeps of secrets: sealed with a key drawn from `SECRET_KEY`.

A seal is authenticated encryption (Fernet). Each purpose has a key of its own, so that a seal of
one kind cannot be put in the place of another. `SECRET_KEY_FALLBACKS` still open what they sealed.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


class DecryptionFailed(ValueError):
    """The seal was made with another key, or was tampered with."""


def encrypt(text: str, *, purpose: str) -> str:
    """`text` sealed for `purpose`, as ASCII."""
    return _box(purpose).encrypt(text.encode()).decode("ascii")


def decrypt(sealed: str, *, purpose: str) -> str:
    """What was sealed for `purpose`. Raises `Unopenable`."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise DecryptionFailed("sealed with another key") from None


def derive_key(purpose: str) -> bytes:
    """A key of this installation's own for `purpose`: 32 bytes."""
    return _derived(settings.SECRET_KEY, purpose)


def derive_all_keys(purpose: str) -> list[bytes]:
    """That key first, then those that the keys of `SECRET_KEY_FALLBACKS` give."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [_derived(key, purpose) for key in keys]


def _box(purpose: str) -> MultiFernet:
    boxes = (base64.urlsafe_b64encode(key) for key in derive_all_keys(purpose))
    return MultiFernet([Fernet(box) for box in boxes])


@lru_cache(maxsize=64)
def _derived(key: str | bytes, purpose: str) -> bytes:
    info = f"callboard.sealing.{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(force_bytes(key))
