"""Helpers for tests that read a report of the API doctor."""

from __future__ import annotations

from collections import Counter
from typing import Any

from isales_proxy.diagnostics import services
from isales_proxy.diagnostics.report import Report, Section
from isales_proxy.models import Vdn
from isales_proxy.simulator import Simulator


def run_check(**options: Any) -> Report:
    """Check VDN 88 as the system does."""
    return services.run_check_unattended(vdn=Vdn.objects.get(pk=88), **options)


def get_section(report: Report, name: str) -> Section:
    """Return one section of the report."""
    (found,) = [each for each in (*report.interfaces, *report.details) if each.name == name]
    return found


def get_fact(report: Report, section: str, name: str) -> str:
    """Return one fact as the page shows it; "" where there is none."""
    facts = get_section(report, section).facts
    return next((str(fact.text) for fact in facts if fact.name == name), "")


def count_calls(vendor: Simulator) -> Counter[str]:
    """Count the calls of each operation."""
    return Counter(call.operation for call in vendor.calls)
