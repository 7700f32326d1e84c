"""Permissions of people in a VDN: scopes, and the table of roles."""

from isales_proxy.access.permissions import ROLE_PERMISSIONS as ROLE_PERMISSIONS
from isales_proxy.access.permissions import Permission as Permission
from isales_proxy.access.scope import PermissionMissing as PermissionMissing
from isales_proxy.access.scope import Scope as Scope
from isales_proxy.access.scope import VdnNotFound as VdnNotFound
from isales_proxy.access.scope import enter as enter
from isales_proxy.access.scope import get_scopes as get_scopes
from isales_proxy.access.scope import list_scopes as list_scopes
from isales_proxy.access.scope import load_user as load_user
