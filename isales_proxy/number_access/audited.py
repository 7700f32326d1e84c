"""Who searched for a number, and who looked at one: told to the audit once in a while.

Reading goes on where the audit cannot be written: a list that nobody can open while the database is
busy would help no customer. Revealing and exporting are stricter: without audit they do not happen.
"""

from __future__ import annotations

from typing import Final

from django.core.cache import cache

from isales_proxy.access import Scope
from isales_proxy.audit import services as audit
from isales_proxy.core.database import optional_write
from isales_proxy.core.response_cache import hash_key
from isales_proxy.models import AuditAction
from isales_proxy.privacy import masking

ONCE_IN_SECONDS: Final = 10 * 60
# Shorter ones are what somebody types on the way to a number.
_FEWEST_DIGITS: Final = 4


def record_search(scope: Scope, number: str) -> None:
    """The person asked for this number, whole or in such a part that it is somebody's."""
    if len(masking.get_digits(number)) >= _FEWEST_DIGITS:
        _once(AuditAction.NUMBER_SEARCHED, scope, number=number)


def record_view(scope: Scope, *, subject: str, number: str) -> None:
    """The person opened `subject`, whose number stands there whole."""
    if number:
        _once(AuditAction.NUMBER_VIEWED, scope, number=number, subject=subject)


def read_of(scope: Scope, number: str) -> None:
    """The person looked for the story of this number in the audit."""
    _once(AuditAction.AUDIT_READ, scope, number=number)


def _once(action: AuditAction, scope: Scope, *, number: str, subject: str = "") -> None:
    facts = "|".join((action.value, str(scope.vdn.pk), str(scope.user_id), subject, number))
    key = f"audited:{hash_key(facts)}"
    if not cache.add(key, 1, ONCE_IN_SECONDS):
        return
    written = optional_write(
        lambda: audit.record(action, by=scope, number=number, subject=subject),
        "number_not_audited",
        deed=action.value,
    )
    if not written:
        cache.delete(key)
