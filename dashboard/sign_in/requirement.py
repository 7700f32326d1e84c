"""Of whom a second factor is required, and whether a session has passed one."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from isales_proxy.access import remembered_scopes
from isales_proxy.models import Role

# In the session: the number of the person who passed a second factor in it.
_PASSED: Final = "second_factor"


def is_required_of(user: Any) -> bool:
    """Whether the setting demands a second factor of any role that this person has.

    Whoever enters Django's admin counts as an admin.
    """
    wanted: frozenset[str] = settings.SIGN_IN.second_factor_for
    if not wanted or not user.is_authenticated:
        return False
    if user.is_staff and Role.ADMIN in wanted:
        return True
    return any(scope.role in wanted for scope in remembered_scopes(user))


def has_passed(session: Any, user: Any) -> bool:
    """Whether this person gave, or set up, a second factor in this session."""
    return bool(session.get(_PASSED) == user.pk)


def note_passed(session: Any, user: Any) -> None:
    """Remember that they did."""
    session[_PASSED] = user.pk


def forget_passed(session: Any) -> None:
    """There is none left that could have been passed."""
    session.pop(_PASSED, None)
