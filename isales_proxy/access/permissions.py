"""What a role may do in a VDN: the one table. What it does not grant is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from isales_proxy.models import Role


@unique
class Permission(StrEnum):
    """One thing that a person may do in a VDN. The values are for templates and documents."""

    SEE_RESERVATIONS = "see_reservations"
    SEE_ALL_AGENTS = "see_all_agents"
    SEE_NUMBERS = "see_numbers"
    REVEAL_NUMBERS = "reveal_numbers"
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


_EVERYBODY: Final = frozenset(
    {Permission.SEE_RESERVATIONS, Permission.SEE_NUMBERS, Permission.SEE_RESULT_CODES}
)
_SUPERVISORS: Final = _EVERYBODY | {
    Permission.SEE_ALL_AGENTS,
    Permission.REVEAL_NUMBERS,
    Permission.SEE_OUTBOUND,
    Permission.TAKE_CALL_DATA,
    Permission.SEE_RAW_ANSWERS,
    Permission.WRITE_BACK,
}

ROLE_PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        Role.AGENT: _EVERYBODY | {Permission.REVEAL_NUMBERS},
        Role.SUPERVISOR: _SUPERVISORS,
        Role.AUDITOR: _EVERYBODY
        | {Permission.SEE_ALL_AGENTS, Permission.SEE_OUTBOUND, Permission.SEE_AUDIT},
        Role.ADMIN: _SUPERVISORS
        | {
            Permission.REFRESH_RESULT_CODES,
            Permission.EDIT_RESULT_CODES,
            Permission.SEE_AUDIT,
            Permission.SEE_SETTINGS,
            Permission.EXAMINE_VENDOR,
        },
    }
)
"""Role → what it grants. SEE_NUMBERS, and SEE_RAW_ANSWERS, since nobody can mask such an answer,
hold only while NUMBERS_VISIBLE_TO names the role; REVEAL_NUMBERS holds only while it does not."""

ONLY_WITH_NUMBERS: Final = frozenset({Permission.SEE_NUMBERS, Permission.SEE_RAW_ANSWERS})
ONLY_WITHOUT_NUMBERS: Final = frozenset({Permission.REVEAL_NUMBERS})


def get_permissions(role: str, numbers_visible_to: frozenset[str]) -> frozenset[Permission]:
    """Give the permissions of a role under this setting; none for a role that is not in the table.

    >>> granted("visitor", frozenset({"visitor"}))
    frozenset()
    """
    found = ROLE_PERMISSIONS.get(role, frozenset())
    return found - (ONLY_WITHOUT_NUMBERS if role in numbers_visible_to else ONLY_WITH_NUMBERS)
