"""What an operation needs: a scope of the token, and permissions of the person in the VDN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.accounts import tokens
from isales_proxy.models import ApiToken, TokenScope

# HTTP method → scope. Every view of the API has one of these as `needs`; a rule test says so.
Needs = Mapping[str, TokenScope]

READS: Final[Needs] = {"GET": TokenScope.READ}
WRITES: Final[Needs] = {"POST": TokenScope.WRITE}
READS_AND_WRITES: Final[Needs] = {**READS, **WRITES}
ADMINISTERS: Final[Needs] = {"POST": TokenScope.ADMIN}


# HTTP method → permission. Every view of a VDN has one of these as `permits`; a rule test says so.
Permits = Mapping[str, Permission]


class ScopeLacks(PermissionError):
    """The token may not do this, whatever its person may; `needed` is the scope that would."""

    def __init__(self, needed: TokenScope) -> None:
        super().__init__(needed.value)
        self.needed = needed


class TokenMay(BasePermission):
    """A token does what its scope holds; a session is bound by the person's rights alone."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True, or ScopeLacks raised. What a view does not declare needs the highest scope."""
        if not isinstance(request.auth, ApiToken):
            return True
        needed = needed_by(view, request.method or "")
        if needed is not None and not tokens.includes_scope(request.auth, needed):
            raise ScopeLacks(needed)
        return True


class PersonMay(BasePermission):
    """A person does in a VDN what their role grants; what a view does not declare is refused."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Give True, or raise NotYours (a foreign VDN) or NotAllowed."""
        vdn_id = view.kwargs.get("vdn_id")
        method = request.method or ""
        if vdn_id is None or not hasattr(view, method.lower()):
            return True
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        declared: Permits = getattr(view, "permits", {})
        permission = declared.get("GET" if method in {"HEAD", "OPTIONS"} else method)
        if permission is None and method != "OPTIONS":
            raise access.PermissionMissing
        if permission is not None:
            scope.require(permission)
        return True


def needed_by(view: Any, method: str) -> TokenScope | None:
    """The scope that this method of the view needs; None where the view has no such method."""
    if method == "OPTIONS":
        return TokenScope.READ
    if not hasattr(view, method.lower()):
        return None
    declared: Needs = getattr(view, "needs", {})
    return declared.get("GET" if method == "HEAD" else method, TokenScope.ADMIN)
