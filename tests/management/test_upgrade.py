"""Databases of earlier releases are brought up to date by `migrate`, with all their rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support.workers import Site, at_scale, embedded

pytestmark = pytest.mark.processes

# The newest migration of the last commit before the code was laid out by subject.
BEFORE_LAYOUT = "0014_write_back_digest"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: Any, vendor: Simulator, tmp_path: Path) -> Iterator[Site]:
    kind = embedded(vendor, tmp_path) if request.param == "sqlite" else None
    with kind or at_scale(vendor, tmp_path, jobs_db=13) as found:
        yield found


def test_rows_from_before_the_layout_by_subject_survive_an_upgrade(site: Site) -> None:
    program = f"from tests.support import older_database as o; o.upgrade_from('{BEFORE_LAYOUT}')"
    site.manage("shell", "-v0", "-c", program)
    site.manage("migrate", "--check")
    assert "unbroken" in site.manage("verify_audit")
