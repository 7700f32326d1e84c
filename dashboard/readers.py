"""The reader of a page: which VDN they look at and in which time zone they read."""

from __future__ import annotations

from typing import Any, Final, cast

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from dashboard.models import Preferences
from isales_proxy.models import User
from isales_proxy.services import zones
from isales_proxy.services.access import Scope

LAST_VDN: Final = "last_vdn"


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
    timezone.activate(zones.in_force(request.session, scope.vdn))


@receiver(user_logged_in, dispatch_uid="dashboard.readers")
def bring_choices(request: HttpRequest, user: User, **_more: object) -> None:
    """Take the reader's choices along in the session, where no page has to ask for them."""
    chosen = Preferences.objects.filter(user=user).first()
    request.session[zones.SESSION_KEY] = chosen.time_zone if chosen else ""


def choose_zone(request: HttpRequest, name: str) -> None:
    """Keep the reader's choice for this and every later session; "" goes back to the VDN's."""
    Preferences.objects.update_or_create(
        user_id=cast("User", request.user).pk, defaults={"time_zone": name}
    )
    request.session[zones.SESSION_KEY] = name
