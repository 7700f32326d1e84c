"""Every operation of the schema, asked by schemathesis with odd and with good input, at the real
server with the simulator behind it, on SQLite and on PostgreSQL, which refuses other values.

What it asks is the same each time (`tests/support/schemathesis/schemathesis.toml`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from isales_proxy.simulator import Simulator
from tests.support.starts import ROOT
from tests.support.web import on_postgres, serving, token
from tests.support.workers import Site, embedded

pytestmark = pytest.mark.schemathesis

CONFIG = ROOT / "tests" / "support" / "schemathesis" / "schemathesis.toml"
Places = Callable[[Simulator, Path], AbstractContextManager[Site]]


@pytest.mark.parametrize(
    ("place", "examples", "fewest"),
    [(embedded, 2, 700), pytest.param(on_postgres, 1, 300, marks=pytest.mark.postgres)],
    ids=["sqlite", "postgres"],
)
def test_generated_input_finds_no_failure_of_any_operation(
    place: Places, examples: int, fewest: int, tmp_path: Path
) -> None:
    with (
        Simulator(rows=300) as vendor,
        place(vendor, tmp_path) as site,
        serving(site, "tests.settings_unthrottled") as base,
    ):
        text = token(site, "admin", "admin")
        address = f"{base}/api/schema/"
        schema = requests.get(
            address, headers={"Authorization": f"Token {text}"}, timeout=30
        ).json()
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(CONFIG), "run", address),
                *("--max-examples", str(examples)),
                *("--header", f"Authorization: Token {text}", "--checks", "all"),
            ],
            cwd=tmp_path,
            env={**site.env, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    operations = sum(len(methods) for methods in schema["paths"].values())
    assert operations > 10
    assert f"Tested: {operations}" in said, said
    generated = re.search(r"(\d+) generated", said)
    assert generated is not None, said
    assert int(generated[1]) >= fewest, said
    assert text not in Path(site.env["VAR_DIR"], "server.log").read_text("utf-8")
