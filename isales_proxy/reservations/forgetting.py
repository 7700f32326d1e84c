"""Numbers that were forgotten: kept as keyed hashes, so that no later sweep brings them back."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from isales_proxy.core import encryption
from isales_proxy.models.mirror import MirrorSuppression
from isales_proxy.privacy.phone_numbers import get_digits

_PURPOSE: Final = "forgotten-number"


def is_suppressed(vdn_id: int) -> Callable[[str], bool]:
    """Return a function: a called number → True if it was forgotten in this VDN.

    Numbers of equal digits are one. The hashes are read once, here: make one for each transaction.
    """
    found = MirrorSuppression.objects.filter(vdn_id=vdn_id)
    forgotten = frozenset(found.values_list("digest", flat=True))
    if not forgotten:
        return lambda _number: False
    keys = encryption.derive_all_keys(_PURPOSE)

    def find(number: str) -> bool:
        digits = get_digits(number)
        return bool(digits) and any(_hash(key, digits) in forgotten for key in keys)

    return find


def _hash(key: bytes, digits: str) -> str:
    return hmac.new(key, digits.encode(), sha256).hexdigest()
