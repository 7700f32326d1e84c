"""The order in which people and the audit are locked, so that no two deeds wait for each other.

People come first, in the order of their keys; the head of the audit comes last (ADR 13).
"""

from __future__ import annotations

from collections.abc import Iterable

from isales_proxy.models import User


def lock_people(keys: Iterable[int]) -> None:
    """Hold these people for the rest of the transaction, and with them what is theirs: sessions,
    tokens, second factors. Whoever changes that and records it holds the person first."""
    list(User.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
