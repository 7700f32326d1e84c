"""Log-in with accounts that an admin created, without sign-up."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any, ClassVar, Final

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.internal.ratelimit import get_ip
from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from dashboard.account import log_in_audit
from isales_proxy.accounts import changes, sign_in_attempts
from isales_proxy.accounts.sign_in_attempts import Attempts, Limit
from isales_proxy.models import User, comparable_username

_THIS_MACHINE: Final = "127.0.0.1"
# In the session: by which methods the person who logs in was authenticated (allauth).
_METHOD_KEYS: Final = ("account_authentication_methods", "account_authentication_methods_user")


class ClosedAdapter(DefaultAccountAdapter):
    """allauth's adapter without sign-up, and with an address for all clients."""

    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _("User name or password is wrong."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return False within some minutes after a log-in, which counts as a reauthentication."""
        if not super().is_reauthentication_required(app=app, **kwargs):
            return False
        records = get_authentication_records(context.request, context.request.user)
        latest = max((record["at"] for record in records), default=0.0)
        return bool(time.time() - latest >= app_settings.REAUTHENTICATION_TIMEOUT)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address by which log-ins are counted; allauth refuses requests without one."""
        try:
            return str(super().get_client_ip(request))
        except PermissionDenied:
            return _get_forwarded_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Limit the number of wrong passwords. Raises ValidationError."""
        # `authenticate` undoes the count after a correct password.
        self._login_failed_rl_usage = count_password(request, str(credentials.get("username", "")))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Return the person, or None. The session stays valid if the password is hashed anew."""
        user = super().authenticate(request, **credentials)
        if user is not None and request.user.is_authenticated and user.pk == request.user.pk:
            request.session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
        return user

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        """End the session of the person who is logged in in this browser."""
        if auth.SESSION_KEY in request.session:
            session = request.session
            methods = {name: session[name] for name in _METHOD_KEYS if name in session}
            request.user = auth.get_user(request)
            auth.logout(request)
            request.session.update(methods)
        return super().pre_login(request, user, **kwargs)

    def login(self, request: HttpRequest, user: Any) -> None:
        """Log in under a new session key, which Django creates unless somebody was logged in."""
        # Only the session of an attempt expires early.
        request.session.pop("_session_expiry", None)
        super().login(request, user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return the page after a changed password without `next`."""
        return reverse("account_home")

    def generate_unique_username(self, txts: list[str | None], regex: str | None = None) -> str:
        """Generate a user name that is unique regardless of case."""
        found = wanted = str(super().generate_unique_username(txts, regex))
        number = 2
        while User.objects.is_taken(found):
            found, number = f"{wanted}{number}", number + 1
        return found

    def set_password(self, user: User, password: str) -> None:
        """Set the password of a person who changes it, and record that."""
        with changes.record_changes(by=user, people=[user.pk]):
            super().set_password(user, password)


def count_attempt(name: str, *wanted: tuple[Limit, str]) -> Attempts:
    """Count an attempt to log in as `name` for each limit and subject.

    Raises ValidationError for too many attempts, which are recorded in the audit.
    """
    try:
        return sign_in_attempts.count(*wanted)
    except sign_in_attempts.TooManyAttempts:
        log_in_audit.record_locked_out(name)
        raise get_adapter().validation_error("too_many_login_attempts") from None


def count_password(request: HttpRequest, name: str) -> Attempts:
    """Count an attempt to log in with a password as `name`. Raises ValidationError."""
    return count_attempt(
        name,
        (sign_in_attempts.PASSWORDS_BY_ADDRESS, get_ip(request)),
        (sign_in_attempts.PASSWORDS_BY_ACCOUNT, comparable_username(name)),
    )


def _get_forwarded_address(request: HttpRequest) -> str:
    """Return the client address given by the proxy at the other end of a unix socket."""
    # The proxy has added the last address; those before it may come from the browser.
    address = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(address))
    except ValueError:
        return _THIS_MACHINE
