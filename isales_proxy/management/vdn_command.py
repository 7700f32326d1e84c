"""Commands that do the same for every enabled VDN, or for one."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.models import Vdn
from isales_proxy.vendor.vendor_use import SimulatorRefused


class VdnCommand(BaseCommand):
    """Goes on after a VDN that failed, and ends with exit code 1 and a line for each failure."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--vdn", type=int, metavar="ID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Do it for each VDN."""
        number = options["vdn"]
        vdns = Vdn.objects.enabled() if number is None else Vdn.objects.filter(pk=number)
        if number is not None and not vdns:
            raise CommandError(f"There is no VDN {number}.")
        try:
            failed = [
                f"VDN {vdn.pk}: {failure}"
                for vdn in vdns
                for failure in self.handle_vdn(vdn, options)
            ]
        except SimulatorRefused as error:
            raise CommandError(str(error)) from None
        if failed:
            raise CommandError("\n".join(failed))

    def handle_vdn(self, vdn: Vdn, options: dict[str, Any]) -> Iterable[str]:
        """Do it for one VDN, print what was done, and return what failed."""
        raise NotImplementedError
