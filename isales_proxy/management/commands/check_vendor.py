"""`manage.py check_vendor`: one harmless call to each interface that only reads."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.diagnostics import services
from isales_proxy.diagnostics.report import describe_failure, render_text
from isales_proxy.management.vdn_command import VdnCommand
from isales_proxy.models import Vdn


class Command(VdnCommand):
    help = (
        "Call each read-only interface of CC-iSales once, for every enabled VDN or for one, "
        "and say what differs from the documents."
    )
    _separator = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--probe",
            action="store_true",
            help="send up to 10 more reservation queries, for what the documents leave open",
        )

    def handle_vdn(self, vdn: Vdn, options: dict[str, Any]) -> list[str]:
        try:
            report = services.run_check_unattended(vdn=vdn, with_probes=options["probe"])
        except AlreadyRunning:
            return ["a check is already running."]
        self.stdout.write(self._separator + render_text(report), ending="")
        self._separator = "\n"
        return [describe_failure(each) for each in report.failed]
