"""Permissions of people in a VDN: scopes, and the table of roles."""

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission
from isales_proxy.access.scope import (
    PermissionMissing,
    Scope,
    VdnNotFound,
    enter,
    get_scopes,
    list_scopes,
    load_user,
)

__all__ = [
    "ROLE_PERMISSIONS",
    "Permission",
    "PermissionMissing",
    "Scope",
    "VdnNotFound",
    "enter",
    "get_scopes",
    "list_scopes",
    "load_user",
]
