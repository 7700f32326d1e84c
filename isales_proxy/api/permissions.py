"""Permissions of an operation: the scope of the token, and the person's permission in the VDN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.accounts import tokens
from isales_proxy.models import ApiToken, TokenScope

# HTTP method → scope: the attribute `needs` of every view.
Needs = Mapping[str, TokenScope]

READS: Final[Needs] = {"GET": TokenScope.READ}
WRITES: Final[Needs] = {"POST": TokenScope.WRITE}
READS_AND_WRITES: Final[Needs] = {**READS, **WRITES}
ADMINISTERS: Final[Needs] = {"POST": TokenScope.ADMIN}


class ScopeMissing(PermissionError):
    """The token lacks the scope `needed`."""

    def __init__(self, needed: TokenScope) -> None:
        super().__init__(needed.value)
        self.needed = needed


class TokenMay(BasePermission):
    """Checks the scope of a token; sessions need no scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True or raise ScopeMissing. Undeclared methods need the highest scope."""
        if not isinstance(request.auth, ApiToken):
            return True
        needed = get_needed_scope(view, request.method or "")
        if needed is not None and not tokens.includes_scope(request.auth, needed):
            raise ScopeMissing(needed)
        return True


class PersonMay(BasePermission):
    """Checks the permission of the person in the VDN; undeclared methods are refused."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise VdnNotFound or PermissionMissing."""
        vdn_id = view.kwargs.get("vdn_id")
        method = request.method or ""
        if vdn_id is None or not hasattr(view, method.lower()):
            return True
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        handler = "get" if method in {"HEAD", "OPTIONS"} else method.lower()
        permission: Permission | None = getattr(getattr(view, handler, None), "permission", None)
        if permission is None and method != "OPTIONS":
            raise access.PermissionMissing
        if permission is not None:
            scope.require(permission)
        return True


def get_needed_scope(view: Any, method: str) -> TokenScope | None:
    """Return the scope that this method needs; None if the view lacks the method."""
    if method == "OPTIONS":
        return TokenScope.READ
    if not hasattr(view, method.lower()):
        return None
    declared: Needs = getattr(view, "needs", {})
    return declared.get("GET" if method == "HEAD" else method, TokenScope.ADMIN)
