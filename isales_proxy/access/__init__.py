"""Who may see and do what in a VDN."""

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission
from isales_proxy.access.scope import (
    PermissionMissing,
    Scope,
    VdnNotFound,
    enter,
    get_scopes,
    list_scopes,
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
]
