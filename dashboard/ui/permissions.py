"""Who may open a page: a decorator that turns a VDN in the path into the reader's `Scope`."""

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

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

VdnView = Callable[Concatenate[ReaderRequest, Scope, P], HttpResponseBase]


def vdn_page(
    needed: Permission, *more: Permission, post: Permission | None = None
) -> Callable[[VdnView[P]], Callable[..., HttpResponseBase]]:
    """Make a view one of a VDN, for who has all of these permissions, and `post` to send anything.

    A stranger goes to the log-in, a foreign VDN is 404, a role without permission gets 403. The
    view gets the scope in place of the number. `permissions` of the view says what is needed, by
    HTTP method.
    """
    to_read = frozenset({needed, *more})
    to_send = to_read | ({post} if post else set())

    def decorate(view: VdnView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def inner(request: Any, vdn_id: int, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                scope = access.enter(user=request.user, vdn_id=vdn_id)
            except access.VdnNotFound:
                raise Http404 from None
            enter_scope(request, scope)
            if not (to_read if request.method in _READING else to_send) <= scope.permissions:
                raise PermissionDenied
            return view(request, scope, *args, **kwargs)

        guarded: Any = login_required(inner)
        guarded.permissions = {"GET": to_read, "POST": to_send}
        return cast("Callable[..., HttpResponseBase]", guarded)

    return decorate
