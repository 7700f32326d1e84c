"""`manage.py deliver_write_backs`: deliver the write-backs of the outbox; the job by hand."""

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

_LONGEST_WAIT: Final = 5.0
_SHORTEST_WAIT: Final = 0.05


class Command(BaseCommand):
    """Deliver what is due now; with `--watch` what becomes due, until a signal."""

    help = "Deliver the write-backs that are due, once; with --watch until a signal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--watch", action="store_true", help="go on until a signal comes")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print a line for each run that did something; a call under way is always finished."""
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
                # Try again: the database will be back.
                log.warning("deliveries_interrupted", error=type(error).__name__)
                run = DeliveryRun()
            # The lease of a dead worker expires only after it was watched for a while.
            goes_on = watches or run.abandoned
            if not goes_on or run.delivered or run.refused or run.postponed or run.given_up:
                self.stdout.write(_format_summary(run))
            if not goes_on or stop.wait(_get_wait(run)):
                return


def _get_wait(run: DeliveryRun) -> float:
    """Seconds until the next one is due; few, since other processes may queue new ones."""
    if run.next_at is None:
        return _LONGEST_WAIT
    left = (run.next_at - timezone.now()).total_seconds()
    return min(max(left, _SHORTEST_WAIT), _LONGEST_WAIT)


def _format_summary(run: DeliveryRun) -> str:
    """`3 delivered, 0 refused, 1 postponed`, and how many were given up."""
    text = f"{run.delivered} delivered, {run.refused} refused, {run.postponed} postponed"
    return f"{text}, {run.given_up} given up" if run.given_up else text
