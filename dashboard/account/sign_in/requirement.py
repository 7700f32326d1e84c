"""The second factor of a session: passed or not."""

from __future__ import annotations

from typing import Any, Final

# In the session: the number of the person who passed a second factor in it.
_PASSED: Final = "second_factor"


def has_passed_second_factor(session: Any, user: Any) -> bool:
    """Tell whether this person gave, or set up, a second factor in this session."""
    return bool(session.get(_PASSED) == user.pk)


def mark_passed(session: Any, user: Any) -> None:
    """Remember that they did."""
    session[_PASSED] = user.pk


def clear_passed(session: Any) -> None:
    """There is none left that could have been passed."""
    session.pop(_PASSED, None)
