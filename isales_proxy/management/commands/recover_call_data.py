"""`manage.py recover_call_data`: complete batches whose process died; runs the job."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from isales_proxy.outbound import storage
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    help = "Settle batches of call data whose process died: read the answer that was kept, if any."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        vendor_use.require_configured()
        self.stdout.write(f"Read after all: {storage.recover()}")
        self.stdout.write(f"Unknown from now on: {storage.settle_lost()}")
