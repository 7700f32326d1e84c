"""Limits of a session: time since its start, and time since the last activity.

Requests with the header `X-Poll` (of pages that poll) do not count as activity.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final, cast

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from isales_proxy.accounts import sessions
from isales_proxy.core.database import optional_write
from isales_proxy.models import User
from isales_proxy.problems import is_api

# In the session: seconds since the epoch.
_BEGAN: Final = "began"
_SEEN: Final = "seen"
# Activity is recorded at most this often.
_RECORD_INTERVAL_S: Final = 60
FOR_MACHINES: Final = ("/healthz", "/readyz", "/metrics")
_HOUR: Final = 3600
_MINUTE: Final = 60


def start_session(session: Any, *, now: float) -> None:
    """Start the session's clock."""
    session[_BEGAN] = session[_SEEN] = int(now)


def record_start(request: HttpRequest, user: User) -> None:
    """Record the session of this request in the list of the person's sessions."""
    sessions.record_start(
        user=user,
        key=request.session.session_key or "",
        address=get_adapter(request).get_client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
    )


def get_start(session: Any) -> float:
    """Return when the person logged in, in seconds since the epoch; 0 if that is unknown."""
    return float(session.get(_BEGAN, 0))


class SessionLimitsMiddleware(MiddlewareMixin):
    """Ends expired sessions, and records activity."""

    def process_request(self, request: HttpRequest) -> None:
        # Requests without a session need no look-up, and monitoring must work without a database.
        if (
            request.path not in FOR_MACHINES
            and auth.SESSION_KEY in request.session
            and request.user.is_authenticated
        ):
            self._check(request, now=time.time())

    def _check(self, request: HttpRequest, *, now: float) -> None:
        session: Any = request.session
        limits = settings.SIGN_IN
        # With a time in the future (the clock was set back) the session would last too long.
        if _BEGAN not in session or session[_SEEN] > now + _RECORD_INTERVAL_S:
            start_session(session, now=now)
            self._record(request, now)
            return
        if now - session[_BEGAN] > limits.hours * _HOUR:
            _end_session(request, _("You were logged out: sessions end after some hours."))
        elif now - session[_SEEN] > limits.idle_minutes * _MINUTE:
            _end_session(request, _("You were logged out because you were inactive."))
        elif now - session[_SEEN] >= _RECORD_INTERVAL_S and "X-Poll" not in request.headers:
            session.note(_SEEN, int(now))
            optional_write(lambda: self._record(request, now), "session_not_noted")

    def _record(self, request: HttpRequest, now: float) -> None:
        if not sessions.record_activity(
            key=request.session.session_key or "",
            address=get_adapter(request).get_client_ip(request),
            now=datetime.fromtimestamp(now, UTC),
        ):
            record_start(request, cast("User", request.user))


def _end_session(request: HttpRequest, reason: str) -> None:
    auth.logout(request)
    if request.method == "GET" and not is_api(request) and "HX-Request" not in request.headers:
        messages.info(request, reason)
