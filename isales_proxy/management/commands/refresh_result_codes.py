"""`manage.py refresh_result_codes`: read the code tables anew; the daily job by hand."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.client.errors import ISalesError
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.models import Vdn
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.services import RefreshReport


class Command(BaseCommand):
    """Every enabled VDN, or one. A refresh that fails changes nothing; the others go on."""

    help = "Read the OBS result codes of every enabled VDN, or of one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--vdn", type=int, metavar="ID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print a line for each VDN; exit code 1 when one failed."""
        failed = []
        for vdn in _chosen(options["vdn"]):
            try:
                report = result_codes.refresh_unattended(vdn=vdn, by="command")
            except AlreadyRunning:
                failed.append(f"VDN {vdn.pk}: a refresh is already under way.")
            except ISalesError as error:
                failed.append(f"VDN {vdn.pk}: nothing was changed. {error}")
            else:
                self.stdout.write(f"VDN {vdn.pk}: {summary(report)}")
        if failed:
            raise CommandError("\n".join(failed))


def summary(report: RefreshReport) -> str:
    """`118 kept, 2 added, 1 reworded`, and what is no longer listed; or that it was held off."""
    if report.held:
        return "nothing was changed: CC-iSales still lists the table that was rolled back."
    text = f"{report.kept} kept, {report.added} added, {report.reworded} reworded"
    return f"{text}, {report.removed} no longer listed" if report.removed else text


def _chosen(number: int | None) -> list[Vdn]:
    if number is None:
        return list(Vdn.objects.enabled())
    found = list(Vdn.objects.filter(pk=number))
    if not found:
        raise CommandError(f"There is no VDN {number}.")
    return found
