"""`manage.py run_mirror`: keep the mirror of every enabled VDN up to date until interrupted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.mirror.loop import run_mirror
from isales_proxy.vendor import gateway
from isales_proxy.vendor.vendor_use import SimulatorRefused


class Command(BaseCommand):
    """Runs until SIGINT or SIGTERM. Several may run: one at a time leads for each VDN."""

    help = "Read the reservations of every enabled VDN into the mirror until interrupted."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        stop = StopRequest()
        stop.on_signals()
        try:
            gateway.ensure_allowed()
        except SimulatorRefused as error:
            raise CommandError(str(error)) from None
        run_mirror(stop.wait)
