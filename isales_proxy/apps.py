from __future__ import annotations

from django.apps import AppConfig


class ISalesProxyConfig(AppConfig):
    name = "isales_proxy"
    verbose_name = "CC-iSales"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Importing registers the system checks, the jobs and the signal receivers.
        from isales_proxy import checks, jobs  # noqa: F401
        from isales_proxy.accounts import groups  # noqa: F401
