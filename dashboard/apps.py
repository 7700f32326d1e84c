from __future__ import annotations

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class DashboardConfig(AppConfig):
    """The face that people see."""

    name = "dashboard"
    default = True

    def ready(self) -> None:
        # Importing registers the signal receivers.
        from dashboard import log_ins  # noqa: F401


class StaticFiles(StaticFilesConfig):
    """Django's static files without ReDoc, which the documentation pages do not use."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc*"]  # noqa: RUF012 - Django's form
