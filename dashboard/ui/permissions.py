"""Permission decorator of pages: replaces the VDN of the path by the user's `Scope`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase

from dashboard.ui.requests import ReaderRequest, enter_scope
from isales_proxy import access
from isales_proxy.access import Permission, Scope

P = ParamSpec("P")

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

VdnView = Callable[Concatenate[ReaderRequest, Scope, P], HttpResponseBase]


def vdn_page(
    needed: Permission, *more: Permission, post: Permission | None = None
) -> Callable[[VdnView[P]], Callable[..., HttpResponseBase]]:
    """Require all of these permissions in the VDN of the path, and `post` for unsafe methods.

    Redirects anonymous users to the log-in, answers 403 without permission, and 404 for a foreign
    VDN or if the view raises VdnNotFound for a row.
    The view gets the scope instead of `vdn_id`. Its attribute `permissions` has the required
    permissions by HTTP method.
    """
    for_reading = frozenset({needed, *more})
    for_writing = for_reading | ({post} if post else set())

    def decorate(view: VdnView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def inner(request: Any, vdn_id: int, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                scope = access.enter(user=request.user, vdn_id=vdn_id)
                enter_scope(request, scope)
                is_safe = request.method in _SAFE_METHODS
                if not (for_reading if is_safe else for_writing) <= scope.permissions:
                    raise PermissionDenied
                return view(request, scope, *args, **kwargs)
            except access.VdnNotFound:
                raise Http404 from None

        guarded: Any = login_required(inner)
        guarded.permissions = {"GET": for_reading, "POST": for_writing}
        return cast("Callable[..., HttpResponseBase]", guarded)

    return decorate
