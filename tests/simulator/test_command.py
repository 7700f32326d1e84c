"""`manage.py run_simulator` in a process of its own, without database or settings."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.signed_http import SignedHttp

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
START = """
import django
from django.conf import settings
settings.configure()
django.setup()
from django.core.management import call_command
from isales_proxy.management.commands.run_simulator import Command
call_command(Command(), "--rows", "20", "--no-life", "--call-data", "3", "--vdn", "88")
"""


def test_command_prints_its_address_serves_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.match(r"CC-iSales simulator on (http://127\.0\.0\.1:\d+) ", line)
            assert address
            with SignedHttp(address[1], datetime.now(UTC)) as http:
                assert http.reservations().json["totalCount"] == 20
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
