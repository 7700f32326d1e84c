"""Who may see and do what in a VDN."""

from isales_proxy.access.permissions import ROLE_PERMISSIONS, Permission
from isales_proxy.access.scope import NotAllowed, NotYours, Scope, enter, remembered_scopes, scopes

__all__ = [
    "ROLE_PERMISSIONS",
    "NotAllowed",
    "NotYours",
    "Permission",
    "Scope",
    "enter",
    "remembered_scopes",
    "scopes",
]
