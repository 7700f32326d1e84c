"""`manage.py run_simulator`: run the simulator in the foreground, for demos and tests."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.simulator import Simulator


class Command(BaseCommand):
    """Runs until SIGINT or SIGTERM, without a database or settings."""

    help = "Run a simulated CC-iSales over HTTP until interrupted."
    requires_system_checks: list[str] = []  # noqa: RUF012  (Django declares it like this)
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=0, help="0 (default) picks a free port")
        parser.add_argument("--rows", type=int, default=12_000, help="reservations per VDN")
        parser.add_argument("--call-data", type=int, default=400, help="call data rows per task")
        parser.add_argument(
            "--life",
            action=BooleanOptionalAction,
            default=True,
            help="let reservations come, change and vanish all the time",
        )
        parser.add_argument(
            "--vdn",
            type=int,
            action="append",
            dest="vdns",
            metavar="ID",
            help="a VDN to simulate; repeatable (default: 88 and 89)",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        vdns = tuple(options["vdns"] or (88, 89))
        if not 0 <= options["port"] <= 65535 or not 0 <= options["rows"] <= 1_000_000:
            raise CommandError("--port is 0 to 65535, --rows is 0 to 1000000")
        if not 0 <= options["call_data"] <= 100_000:
            raise CommandError("--call-data is 0 to 100000")
        if not all(1 <= vdn <= 9999 for vdn in vdns):
            raise CommandError("--vdn is 1 to 9999")
        stop = StopRequest()
        stop.on_signals()
        simulator = Simulator(
            host=options["host"],
            port=options["port"],
            rows=options["rows"],
            vdns=vdns,
            call_data_rows=options["call_data"],
            life=options["life"],
        )
        try:
            simulator.start()
        except OSError as error:
            raise CommandError(f"cannot listen there: {error.strerror}") from None
        with simulator:
            names = ", ".join(str(vdn) for vdn in vdns)
            self.stdout.write(
                f"CC-iSales simulator on {simulator.base_url} "
                f"(VDN {names}, {options['rows']} rows each)"
            )
            self.stdout.flush()
            stop.wait()
