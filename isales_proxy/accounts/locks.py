"""The order in which people and the audit are locked, so that no two changes deadlock.

People come first, in the order of their keys; the head of the audit comes last (ADR 13).
"""

from __future__ import annotations

from collections.abc import Iterable

from isales_proxy.models import User


def lock_people(keys: Iterable[int]) -> None:
    """Lock these people for the rest of the transaction, before their sessions, tokens or second
    factors are changed and the change is recorded."""
    list(User.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
