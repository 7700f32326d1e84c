"""`manage.py sweep`: one whole round over the reservations of each VDN, or of one, then the end."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.mirror.round_reasons import describe_reason
from isales_proxy.mirror.sweeps import Clocks, run_whole_round
from isales_proxy.models import Vdn
from isales_proxy.vendor.vendor_use import SimulatorRefused


class Command(BaseCommand):
    """Leads for one round, or asks whoever leads for one, and waits for its end."""

    help = (
        "Read every reservation into the mirror once, for every enabled VDN or for one. Ends with "
        "exit code 1 when a round is not complete, and says why."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--vdn", type=int, metavar="ID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print a line for each VDN; exit code 1 when a round is not complete."""
        ended = StopRequest()
        ended.on_signals()
        failed = []
        for vdn in _get_vdns(options["vdn"]):
            try:
                result = run_whole_round(vdn, clocks=Clocks(wait=ended.wait))
            except SimulatorRefused as error:
                raise CommandError(str(error)) from None
            if result.complete:
                self.stdout.write(f"VDN {vdn.pk}: complete, {result.rows} rows.")
            else:
                failed.append(f"VDN {vdn.pk}: incomplete: {describe_reason(result.reason)}.")
        if failed:
            raise CommandError("\n".join(failed))


def _get_vdns(number: int | None) -> list[Vdn]:
    if number is None:
        return list(Vdn.objects.filter(enabled=True))
    found = list(Vdn.objects.filter(pk=number))
    if not found:
        raise CommandError(f"There is no VDN {number}.")
    return found
