"""docs/api.md: its examples work, and its tables match the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from isales_proxy.models import TokenScope
from isales_proxy.simulator import Simulator
from tests.support.starts import ROOT
from tests.support.web import serving, token
from tests.support.workers import Site, embedded

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")


def boxes(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@dataclass
class Place:
    site: Site
    env: dict[str, str]

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    var = tmp_path_factory.mktemp("docs")
    with Simulator(rows=150) as vendor, embedded(vendor, var) as site, serving(site) as base:
        env = {**site.env, "CALLBOARD": base, "TOKEN": token(site, "admin", "write")}
        yield Place(site, env)


@pytest.mark.processes
def test_curl_examples_run(place: Place) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    vdns, rows, stored, unchanged = (json.loads(place.run("sh", "-ec", box)) for box in boxes("sh"))
    assert [vdn["id"] for vdn in vdns["results"]] == [88]
    assert rows["size"] == 10
    assert stored["state"] == "waiting"
    assert unchanged == 304
    again = json.loads(place.run("sh", "-ec", boxes("sh")[2]))
    assert again["id"] == stored["id"]


@pytest.mark.processes
def test_python_example_runs(place: Place) -> None:
    (example,) = boxes("python")
    said = place.run(sys.executable, "-c", example)
    assert re.search(r"^\d+ calls are overdue$", said, re.MULTILINE)
    first = re.search(r"^write-back (\d+) is waiting$", said, re.MULTILINE)
    assert first is not None
    assert f"write-back {first[1]} is" in place.run(sys.executable, "-c", example)


@pytest.mark.processes
def test_python_example_prints_a_refusal(place: Place) -> None:
    (example,) = boxes("python")
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={**place.env, "TOKEN": token(place.site, "admin", "read")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "403 Forbidden" in done.stderr
    assert "write" in done.stderr


def test_tables_of_the_document_equal_the_code(as_role: Any) -> None:
    scopes = TEXT.partition("## Scopes")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", scopes, re.MULTILINE))
    assert told == {scope.value for scope in TokenScope}
    rates = configured.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    for kind, words in (("token_read", "reads"), ("token_write", "writes")):
        assert f"{rates[kind].partition('/')[0]} {words}" in TEXT
    assert rates["user"] == "600/min"
    schema = as_role("admin").get("/api/schema/").json()
    listed = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE)
              for number in row.split(", ")}  # fmt: skip
    answered = {
        int(status)
        for path in schema["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
        if int(status) >= 400
    }
    assert listed - {405} == answered


def test_readme_links_to_the_document() -> None:
    assert "](docs/api.md)" in Path(ROOT, "README.md").read_text("utf-8")
