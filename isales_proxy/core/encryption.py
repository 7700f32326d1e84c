"""Encryption of secrets in the database, with keys derived from `SECRET_KEY`.

Authenticated encryption (Fernet). Each purpose has a key of its own, so that a value of one kind
cannot be used in the place of another. `SECRET_KEY_FALLBACKS` decrypt older values.
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
    """The value was encrypted with another key, or changed."""


def encrypt(text: str, *, purpose: str) -> str:
    """Encrypt text for a purpose; return ASCII."""
    return _create_fernet(purpose).encrypt(text.encode()).decode("ascii")


def decrypt(encrypted: str, *, purpose: str) -> str:
    """Decrypt a value of this purpose. Raises DecryptionFailed."""
    try:
        return _create_fernet(purpose).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise DecryptionFailed("encrypted with another key") from None


def derive_key(purpose: str) -> bytes:
    """Derive the 32-byte key of this installation for a purpose."""
    return _derive(settings.SECRET_KEY, purpose)


def derive_all_keys(purpose: str) -> list[bytes]:
    """Derive the key from `SECRET_KEY`, then those from `SECRET_KEY_FALLBACKS`."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [_derive(key, purpose) for key in keys]


def _create_fernet(purpose: str) -> MultiFernet:
    keys = map(base64.urlsafe_b64encode, derive_all_keys(purpose))
    return MultiFernet([Fernet(key) for key in keys])


@lru_cache(maxsize=64)
def _derive(key: str | bytes, purpose: str) -> bytes:
    info = f"callboard.sealing.{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(force_bytes(key))
