"""Who may open a page: a decorator that turns a VDN in the path into the reader's `Scope`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase

from dashboard.readers import ReaderRequest, look_into
from isales_proxy.services import access
from isales_proxy.services.access import Scope

P = ParamSpec("P")

VdnView = Callable[Concatenate[ReaderRequest, Scope, P], HttpResponseBase]


def vdn_page(
    allowed: Callable[[Scope], bool] = lambda _scope: True,
) -> Callable[[VdnView[P]], Callable[..., HttpResponseBase]]:
    """A view of one VDN: a stranger goes to the log-in, a foreign VDN is 404, a role that may not
    is 403. The view gets the scope in place of the number."""

    def decorate(view: VdnView[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def inner(request: Any, vdn_id: int, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                scope = access.enter(user=request.user, vdn_id=vdn_id)
            except access.NotYours:
                raise Http404 from None
            look_into(request, scope)
            if not allowed(scope):
                raise PermissionDenied
            return view(request, scope, *args, **kwargs)

        return login_required(inner)

    return decorate
