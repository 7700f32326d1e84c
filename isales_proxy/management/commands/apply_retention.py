"""`manage.py apply_retention`: delete data past its retention time; runs the daily job."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from isales_proxy import retention
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    help = (
        "Delete call data, finished write-backs, versions and closed reservations of the mirror,"
        " sightings of codes, API tokens, sessions and audit events past their time."
    )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        vendor_use.require_configured()
        for name, deleted in retention.apply_retention(timezone.now()).items():
            self.stdout.write(f"{name}: {deleted}")
