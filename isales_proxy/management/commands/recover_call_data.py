"""`manage.py recover_call_data`: read answers that were kept but not read; the job by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from isales_proxy.outbound import services as call_data
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    """Settles every batch whose process died. CC-iSales is not asked for anything."""

    help = "Settle batches of call data whose process died: read the answer that was kept, if any."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print how many came to which end."""
        vendor_use.see_configured()
        self.stdout.write(f"Read after all: {call_data.recover()}")
        self.stdout.write(f"Unknown from now on: {call_data.settle_lost()}")
