"""How people get in: by an account that an administrator made, never by signing themselves up."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any, Final

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from dashboard import log_ins
from isales_proxy.models import User
from isales_proxy.services.people import watch

_THIS_MACHINE: Final = "127.0.0.1"


class ClosedAdapter(DefaultAccountAdapter):
    """allauth with sign-up switched off, and with an address for everybody."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not within the first minutes of a log-in: the person has just proved who they are."""
        if not super().is_reauthentication_required(app=app, **kwargs):
            return False
        records = get_authentication_records(context.request, context.request.user)
        latest = max((record["at"] for record in records), default=0.0)
        return bool(time.time() - latest >= app_settings.REAUTHENTICATION_TIMEOUT)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whose log-ins are counted together; without an address allauth would refuse them."""
        try:
            return str(super().get_client_ip(request))
        except PermissionDenied:
            return _forwarded(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Who guesses too much is told so; that goes into the audit."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            log_ins.locked(str(credentials.get("username", "")))
            raise

    def set_password(self, user: User, password: str) -> None:
        """A person's own change of their password, recorded with it."""
        with watch.watched(by=user, people=[user.pk]):
            super().set_password(user, password)


def _forwarded(request: HttpRequest) -> str:
    """For whom the proxy at the other end of a unix socket, which has no address, says it asks."""
    # The last address is the proxy's own word; those before it may come from the browser.
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(said))
    except ValueError:
        return _THIS_MACHINE
