"""`manage.py deliver_write_backs`: bring the vendor what waits in the outbox; the job by hand."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections
from django.utils import timezone

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.vendor.vendor_use import SimulatorRefused
from isales_proxy.write_backs import delivery
from isales_proxy.write_backs.delivery import DeliveryRun

log = structlog.get_logger("isales")

_LONGEST_NAP: Final = 5.0
_SHORTEST_NAP: Final = 0.05


class Command(BaseCommand):
    """What is due now, or with `--watch` whatever becomes due until a signal comes."""

    help = "Deliver the write-backs that are due, once; with --watch until a signal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--watch", action="store_true", help="go on until a signal comes")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print a line for each drain that did something; the call under way is always ended."""
        ended = StopRequest()
        worker = delivery.create_worker_name()
        if options["watch"]:
            ended.on_signals()
        while True:
            close_old_connections()
            try:
                drained = delivery.deliver_due(worker=worker, stopped=ended.is_made)
            except SimulatorRefused as error:
                raise CommandError(str(error)) from None
            except Error as error:
                if not options["watch"]:
                    raise
                # The database will be back, and so are we.
                log.warning("deliveries_interrupted", error=type(error).__name__)
                drained = DeliveryRun()
            if _anything(drained) or not (options["watch"] or drained.abandoned):
                self.stdout.write(_summary(drained))
            # What a worker left that died can be taken over only after it was watched for a while.
            if not (options["watch"] or drained.abandoned) or ended.wait(_nap(drained)):
                return


def _nap(drained: DeliveryRun) -> float:
    """Until the next one is due; not long, since new ones may come from elsewhere."""
    if drained.next_at is None:
        return _LONGEST_NAP
    left = (drained.next_at - timezone.now()).total_seconds()
    return min(max(left, _SHORTEST_NAP), _LONGEST_NAP)


def _anything(drained: DeliveryRun) -> bool:
    return bool(drained.delivered or drained.refused or drained.postponed or drained.given_up)


def _summary(drained: DeliveryRun) -> str:
    """`3 delivered, 0 refused, 1 postponed`, and what was given up."""
    text = (
        f"{drained.delivered} delivered, {drained.refused} refused, {drained.postponed} postponed"
    )
    return f"{text}, {drained.given_up} given up" if drained.given_up else text
