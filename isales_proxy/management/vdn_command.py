"""Base class of commands that run for every enabled VDN, or for one."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.models import Vdn
from isales_proxy.vendor.vendor_use import SimulatorRefused


class VdnCommand(BaseCommand):
    """Continues after a failure; exits with code 1 and one line per failure."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--vdn", type=int, metavar="ID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
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
        """Run the command for one VDN, print the result, and return the failures."""
        raise NotImplementedError
