"""`manage.py refresh_result_codes`: refresh the code tables; runs the daily job."""

from __future__ import annotations

from typing import Any

from isales_proxy.client.errors import ISalesError
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.management.vdn_command import VdnCommand
from isales_proxy.models import Vdn
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.services import RefreshReport


class Command(VdnCommand):
    help = "Read the OBS result codes of every enabled VDN, or of one."

    def handle_vdn(self, vdn: Vdn, options: dict[str, Any]) -> list[str]:  # noqa: ARG002
        try:
            report = result_codes.refresh_unattended(vdn=vdn, by="command")
        except AlreadyRunning:
            return ["a refresh is already under way."]
        except ISalesError as error:
            return [f"nothing was changed. {error}"]
        self.stdout.write(f"VDN {vdn.pk}: {_summarise(report)}")
        return []


def _summarise(report: RefreshReport) -> str:
    """Return, for example, "118 kept, 2 added, 1 reworded, 1 no longer listed"."""
    if report.held:
        return "nothing was changed: CC-iSales still lists the table that was rolled back."
    text = f"{report.kept} kept, {report.added} added, {report.reworded} reworded"
    return f"{text}, {report.removed} no longer listed" if report.removed else text
