"""`manage.py deliver_write_backs`: deliver the write-backs of the outbox; runs the job."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections
from django.utils import timezone

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.vendor.vendor_use import SimulatorRefused
from isales_proxy.write_backs.delivery import DeliveryRun, DeliveryWorker

log = structlog.get_logger("isales")

_MAX_WAIT_S: Final = 5.0
_MIN_WAIT_S: Final = 0.05


class Command(BaseCommand):
    help = "Deliver the write-backs that are due, once; with --watch until a signal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on until a signal comes")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        stop, watches = StopRequest(), options["watch"]
        worker = DeliveryWorker()
        if watches:
            stop.on_signals()
        while True:
            close_old_connections()
            try:
                run = worker.deliver_due(stop.is_made)
            except SimulatorRefused as error:
                raise CommandError(str(error)) from None
            except Error as error:
                if not watches:
                    raise
                log.warning("deliveries_interrupted", error=type(error).__name__)
                run = DeliveryRun()
            # The lease of a dead worker expires only after some observation.
            goes_on = watches or run.abandoned
            if not goes_on or run.delivered or run.refused or run.postponed or run.given_up:
                self.stdout.write(_format_summary(run))
            if not goes_on or stop.wait(_get_wait_s(run)):
                return


def _get_wait_s(run: DeliveryRun) -> float:
    """Return the time to wait for the next write-back, or for new ones of other processes."""
    if run.next_at is None:
        return _MAX_WAIT_S
    left = (run.next_at - timezone.now()).total_seconds()
    return min(max(left, _MIN_WAIT_S), _MAX_WAIT_S)


def _format_summary(run: DeliveryRun) -> str:
    """Return, for example, "3 delivered, 0 refused, 1 postponed, 2 given up"."""
    text = f"{run.delivered} delivered, {run.refused} refused, {run.postponed} postponed"
    return f"{text}, {run.given_up} given up" if run.given_up else text
