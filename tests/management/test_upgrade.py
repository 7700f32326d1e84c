"""Databases of earlier releases are brought up to date by `migrate`, with all their rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isales_proxy.simulator import Simulator
from tests.support import starts
from tests.support.workers import Site, at_scale, embedded

pytestmark = pytest.mark.processes

# The newest migration of the last commit before the code was laid out by subject.
BEFORE_LAYOUT = "0014_write_back_digest"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: Any, vendor: Simulator, tmp_path: Path) -> Iterator[Site]:
    kind = embedded(vendor, tmp_path) if request.param == "sqlite" else None
    with kind or at_scale(vendor, tmp_path, jobs_db=13) as found:
        yield found


def test_rows_of_the_former_layout_survive_an_upgrade(site: Site) -> None:
    program = f"from tests.support import older_database as o; o.upgrade_from('{BEFORE_LAYOUT}')"
    site.manage("shell", "-v0", "-c", program)
    site.manage("migrate", "--check")
    assert "unbroken" in site.manage("verify_audit")


@pytest.mark.parametrize("arguments", [["sweep"], ["run_stack", "--production"]])
def test_missing_migrations_are_reported_without_traceback(
    tmp_path: Path, arguments: list[str]
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(tmp_path / "var"),
        "SECRET_KEY": "a-key-of-fifty-characters-for-this-one-test-0123456789",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
    }
    ended = starts.run(["manage.py", *arguments], env)
    assert ended.returncode == 1
    assert "The database is not up to date" in ended.stderr
    assert "Traceback" not in ended.stderr
