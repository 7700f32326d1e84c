from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.staticfiles.apps import StaticFilesConfig


class DashboardConfig(AppConfig):
    """The pages of the product."""

    name = "dashboard"
    default = True

    def ready(self) -> None:
        # Importing registers the renderer of the exports.
        from dashboard.reservations import export_file  # noqa: F401


class AdministrationConfig(admin.AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "dashboard.admin_site.Administration"


class StaticFiles(StaticFilesConfig):
    """Django's static files without those that no page uses: ReDoc, the browsable API, and other
    copies of htmx."""

    ignore_patterns = [  # noqa: RUF012 - Django's form
        *StaticFilesConfig.ignore_patterns,
        *("redoc*", "rest_framework", "django_htmx"),
    ]
