from __future__ import annotations

from django.apps import AppConfig


class SignInConfig(AppConfig):
    """Additions to allauth. Listed after allauth's apps, whose admin pages it removes."""

    name = "dashboard.account"
    label = "sign_in"

    def ready(self) -> None:
        # Importing connects the signal receivers.
        from dashboard.account import signals  # noqa: F401
