"""Sessions in the database and the cache, with values that may be lost.

Each page records when the person was last seen, and the VDN. It must not fail while the database
accepts no writes.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import cached_db
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase

from isales_proxy.core.database import is_unavailable, optional_write


class SessionStore(cached_db.SessionStore):
    """Django's store, with values that need not be saved."""

    noted = False

    def save(self, must_create: bool = False) -> None:
        """Save like Django, but raise the database's own error while it accepts no writes.

        The response to it is a 503, whereas `UpdateError` means that the session has ended.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            reason = error.__context__
            if reason is not None and is_unavailable(reason):
                raise reason from reason.__cause__
            raise

    def note(self, key: str, value: Any) -> None:
        """Set a value that may be lost."""
        session: Any = self
        session._session[key] = value  # noqa: SLF001 - without the mark that it must be saved
        self.noted = True


class NotingSessionMiddleware(SessionMiddleware):
    """Saves the noted values at the end of a request, if the database is available."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        """Save like Django; a session with only noted values is saved if that is possible."""
        session: Any = request.session
        if session.noted and not session.modified and not session.is_empty():
            try:
                optional_write(session.save, "session_not_noted")
            except UpdateError:
                # It was ended by another request.
                session.noted = False
        return super().process_response(request, response)  # type: ignore[arg-type]
