"""Reading a doctor's report in tests."""

from __future__ import annotations

from collections import Counter
from typing import Any

from isales_proxy.diagnostics import report as doctor_report
from isales_proxy.diagnostics import services as doctor
from isales_proxy.diagnostics.findings import InterfaceFinding, Report
from isales_proxy.models import Vdn
from isales_proxy.simulator import Simulator


def examined(**options: Any) -> Report:
    """VDN 88, as the system examines it."""
    return doctor.run_check_unattended(vdn=Vdn.objects.get(pk=88), **options)


def of(report: Report, operation: str) -> InterfaceFinding:
    """One interface of the report."""
    (found,) = [each for each in report.interfaces if each.operation == operation]
    return found


def fact(report: Report, section: str, name: str) -> str:
    """One fact in words, as the page shows it; "" where there is none."""
    for each in doctor_report.sections(report):
        if each.name == section:
            return next((line.text for line in each.facts if line.name == name), "")
    raise AssertionError(section)


def asked(vendor: Simulator) -> Counter[str]:
    """How often each operation was called."""
    return Counter(call.operation for call in vendor.calls)
