"""Permission decorator of pages: turns the VDN in the path into the reader's `Scope`."""

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

    Redirects strangers to the log-in, answers 403 without permission, and 404 for a foreign VDN or
    where the view raises VdnNotFound for a row.
    The view gets the scope in place of `vdn_id`. Its attribute `permissions` has the required
    permissions by HTTP method.
    """
    to_read = frozenset({needed, *more})
    to_send = to_read | ({post} if post else set())

    def decorate(view: VdnView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def inner(request: Any, vdn_id: int, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                scope = access.enter(user=request.user, vdn_id=vdn_id)
                enter_scope(request, scope)
                needs = to_read if request.method in _SAFE_METHODS else to_send
                if not needs <= scope.permissions:
                    raise PermissionDenied
                return view(request, scope, *args, **kwargs)
            except access.VdnNotFound:
                raise Http404 from None

        guarded: Any = login_required(inner)
        guarded.permissions = {"GET": to_read, "POST": to_send}
        return cast("Callable[..., HttpResponseBase]", guarded)

    return decorate
