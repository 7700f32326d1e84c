"""`manage.py sweep`: make one whole round over the reservations of each VDN, or of one."""

from __future__ import annotations

from typing import Any

from isales_proxy.management.stop_request import StopRequest
from isales_proxy.management.vdn_command import VdnCommand
from isales_proxy.mirror.round_reasons import describe_reason
from isales_proxy.mirror.sweeps import Clocks, run_whole_round
from isales_proxy.models import Vdn


class Command(VdnCommand):
    """Makes a round itself, or requests it from the process that leads, and waits for its end."""

    help = (
        "Read every reservation into the mirror once, for every enabled VDN or for one. Ends with "
        "exit code 1 when a round is not complete, and says why."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self._stop = StopRequest()
        self._stop.on_signals()
        super().handle(*args, **options)

    def handle_vdn(self, vdn: Vdn, options: dict[str, Any]) -> list[str]:  # noqa: ARG002
        result = run_whole_round(vdn, clocks=Clocks(wait=self._stop.wait))
        if result.reason:
            return [f"incomplete: {describe_reason(result.reason)}."]
        self.stdout.write(f"VDN {vdn.pk}: complete, {result.rows} rows.")
        return []
