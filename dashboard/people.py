"""How people get in: by an account that an administrator made, never by signing themselves up."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

_THIS_MACHINE: Final = "127.0.0.1"


class ClosedAdapter(DefaultAccountAdapter):
    """allauth with sign-up switched off, and with an address for everybody."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whose log-ins are counted together; without an address allauth would refuse them."""
        try:
            return str(super().get_client_ip(request))
        except PermissionDenied:
            return _forwarded(request)


def _forwarded(request: HttpRequest) -> str:
    """For whom the proxy at the other end of a unix socket, which has no address, says it asks."""
    # The last address is the proxy's own word; those before it may come from the browser.
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(said))
    except ValueError:
        return _THIS_MACHINE
