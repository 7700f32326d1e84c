"""The reader of a page: which VDN they look at and in which time zone they read."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from dashboard.account import session_engine
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Scope, get_scopes
from isales_proxy.models import User

LAST_VDN: Final = "last_vdn"
_REFUSED_ZONE: Final = "refused_zone"
_LONGEST_ZONE: Final = 64


class ReaderRequest(HttpRequest):
    """A request whose person is known; `scope` is set once a VDN was entered."""

    user: User
    htmx: Any
    scope: Scope | None


def enter_scope(request: ReaderRequest, scope: Scope) -> None:
    """Note the VDN that this page is of, and let the reader's time zone there apply."""
    request.scope = scope
    if request.session.get(LAST_VDN) != scope.vdn.pk:
        session_engine.note(request.session, LAST_VDN, scope.vdn.pk)
    timezone.activate(scope.zone)


def get_last_scope(request: HttpRequest, scopes: list[Scope]) -> Scope | None:
    """Outside of a VDN a page keeps the one looked at last, else the first."""
    if not scopes:
        return None
    wanted = request.session.get(LAST_VDN)
    return next((scope for scope in scopes if scope.vdn.pk == wanted), scopes[0])


def create_time_formatter(request: HttpRequest) -> TimeFormatter:
    """The times of a page outside of a VDN, in the zone that the frame of the page tells."""
    scope = get_last_scope(request, get_scopes(request.user))
    return TimeFormatter(timezone.now(), scope.zone if scope else None)


def set_time_zone(user: User, name: str) -> None:
    """Keep the reader's choice of a zone; "" goes back to that of the VDN."""
    user.time_zone = name
    user.save(update_fields=["time_zone"])


def refuse_zone(request: HttpRequest, name: str, message: str) -> None:
    """Keep for the next page what was typed as a zone and why it is none."""
    request.session[_REFUSED_ZONE] = [name[:_LONGEST_ZONE], message]


def refused_zone(request: HttpRequest) -> tuple[str, str]:
    """What was typed and why it was refused, told once; empty where nothing was."""
    name, message = request.session.pop(_REFUSED_ZONE, ("", ""))
    return str(name), str(message)
