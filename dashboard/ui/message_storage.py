"""Django's messages in a cookie with a name of our own, and in the session where they are long."""

from __future__ import annotations

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class NamedCookieStorage(CookieStorage):
    """Django's, which gives the name of its cookie to a class and to no setting."""

    cookie_name = settings.MESSAGES_COOKIE_NAME


class OwnCookieStorage(FallbackStorage):
    """The cookie first, as Django has it."""

    storage_classes = (NamedCookieStorage, SessionStorage)
