"""The reader of a page: which VDN they look at and in which time zone they read."""

from __future__ import annotations

from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from dashboard.models import Preferences
from isales_proxy.models import User
from isales_proxy.services.access import Scope

LAST_VDN: Final = "last_vdn"
_ZONE: Final = "time_zone"


class ReaderRequest(HttpRequest):
    """A request whose person is known; `scope` is set once a VDN was entered."""

    user: User
    htmx: Any
    scope: Scope | None


def look_into(request: ReaderRequest, scope: Scope) -> None:
    """Note the VDN that this page is of, and let its time zone (or the reader's own) apply."""
    request.scope = scope
    if request.session.get(LAST_VDN) != scope.vdn.pk:
        request.session[LAST_VDN] = scope.vdn.pk
    timezone.activate(own_zone(request) or scope.vdn.zone)


def own_zone(request: HttpRequest) -> ZoneInfo | None:
    """The zone that the reader chose, or None for that of the VDN. Kept in the session."""
    name = request.session.get(_ZONE)
    if name is None:
        chosen = Preferences.objects.filter(user_id=cast("User", request.user).pk).first()
        name = request.session[_ZONE] = chosen.time_zone if chosen else ""
    return ZoneInfo(name) if name else None


def choose_zone(request: HttpRequest, name: str) -> None:
    """Keep the reader's choice for this and every later session; "" goes back to the VDN's."""
    Preferences.objects.update_or_create(
        user_id=cast("User", request.user).pk, defaults={"time_zone": name}
    )
    request.session[_ZONE] = name
