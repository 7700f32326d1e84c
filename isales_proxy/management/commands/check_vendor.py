"""`manage.py check_vendor`: one harmless call to each interface that only reads."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.diagnostics import services
from isales_proxy.diagnostics.report import describe_failure, render_text
from isales_proxy.models import Vdn
from isales_proxy.vendor.vendor_use import SimulatorRefused


class Command(BaseCommand):
    """Checks every enabled VDN, or one. The output may be given to the vendor's support."""

    help = (
        "Call each read-only interface of CC-iSales once, for every enabled VDN or for one, "
        "and say what differs from the documents."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--vdn", type=int, metavar="ID", help="only this one")
        parser.add_argument(
            "--probe",
            action="store_true",
            help="send up to 10 more reservation queries, for what the documents leave open",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print a report for each VDN; exit code 1 when an interface failed."""
        failed = []
        for index, vdn in enumerate(_get_vdns(options["vdn"])):
            try:
                report = services.run_check_unattended(vdn=vdn, with_probes=options["probe"])
            except AlreadyRunning:
                failed.append(f"VDN {vdn.pk}: a check is already running.")
                continue
            except SimulatorRefused as error:
                raise CommandError(str(error)) from None
            self.stdout.write(("\n" if index else "") + render_text(report), ending="")
            failed += [f"VDN {vdn.pk}: {describe_failure(each)}" for each in report.failed]
        if failed:
            raise CommandError("\n".join(failed))


def _get_vdns(number: int | None) -> list[Vdn]:
    if number is None:
        return list(Vdn.objects.enabled())
    found = list(Vdn.objects.filter(pk=number))
    if not found:
        raise CommandError(f"There is no VDN {number}.")
    return found
