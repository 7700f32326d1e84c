"""Permissions, and the table of those that each role has in a VDN."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from isales_proxy.models import Role


@unique
class Permission(StrEnum):
    """Something that a person may do in a VDN. Templates and documents use the values."""

    SEE_RESERVATIONS = "see_reservations"
    SEE_ALL_AGENTS = "see_all_agents"
    SEE_NUMBERS = "see_numbers"
    REVEAL_NUMBERS = "reveal_numbers"
    EXPORT = "export"
    SEE_RESULT_CODES = "see_result_codes"
    REFRESH_RESULT_CODES = "refresh_result_codes"
    EDIT_RESULT_CODES = "edit_result_codes"
    SEE_OUTBOUND = "see_outbound"
    TAKE_CALL_DATA = "take_call_data"
    SEE_RAW_ANSWERS = "see_raw_answers"
    WRITE_BACK = "write_back"
    SEE_AUDIT = "see_audit"
    SEE_SETTINGS = "see_settings"
    EXAMINE_VENDOR = "examine_vendor"


_BASIC: Final = frozenset(
    {Permission.SEE_RESERVATIONS, Permission.SEE_NUMBERS, Permission.SEE_RESULT_CODES}
)
_SUPERVISOR: Final = _BASIC | {
    Permission.SEE_ALL_AGENTS,
    Permission.REVEAL_NUMBERS,
    Permission.EXPORT,
    Permission.SEE_OUTBOUND,
    Permission.TAKE_CALL_DATA,
    Permission.SEE_RAW_ANSWERS,
    Permission.WRITE_BACK,
}

ROLE_PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        Role.AGENT: _BASIC | {Permission.REVEAL_NUMBERS},
        Role.SUPERVISOR: _SUPERVISOR,
        Role.AUDITOR: _BASIC
        | {
            Permission.SEE_ALL_AGENTS,
            Permission.EXPORT,
            Permission.SEE_OUTBOUND,
            Permission.SEE_AUDIT,
        },
        Role.ADMIN: _SUPERVISOR
        | {
            Permission.REFRESH_RESULT_CODES,
            Permission.EDIT_RESULT_CODES,
            Permission.SEE_AUDIT,
            Permission.SEE_SETTINGS,
            Permission.EXAMINE_VENDOR,
        },
    }
)
"""Role → permissions. A role has SEE_NUMBERS, and SEE_RAW_ANSWERS (raw answers cannot be masked),
only if NUMBERS_VISIBLE_TO names it, and REVEAL_NUMBERS only if it does not."""

ONLY_WITH_NUMBERS: Final = frozenset({Permission.SEE_NUMBERS, Permission.SEE_RAW_ANSWERS})
ONLY_WITHOUT_NUMBERS: Final = frozenset({Permission.REVEAL_NUMBERS})


def get_permissions(role: str, numbers_visible_to: frozenset[str]) -> frozenset[Permission]:
    """Return the permissions of a role under this setting; none for an unknown role.

    >>> get_permissions("visitor", frozenset({"visitor"}))
    frozenset()
    """
    found = ROLE_PERMISSIONS.get(role, frozenset())
    return found - (ONLY_WITHOUT_NUMBERS if role in numbers_visible_to else ONLY_WITH_NUMBERS)
