"""The pins in `requirements/` cover `pyproject.toml`, carry hashes and name no package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

from tests.support.cases import cases

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUN = PROJECT["project"]["dependencies"]
WANTED = {"run": RUN, "dev": RUN + PROJECT["dependency-groups"]["dev"]}
PIN = re.compile(
    r"([\w.-]+)==([^ ]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def read_pins(kind: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{kind}.txt").read_text("utf-8")
    assert PIN.sub("", text) == "", "a line that is no pin with hashes"
    return {canonicalize_name(name): version for name, version, _hashes in PIN.findall(text)}


@cases("kind", WANTED)
def test_pins_satisfy_every_declared_dependency(kind: str) -> None:
    pins = read_pins(kind)
    for wanted in map(Requirement, WANTED[kind]):
        assert pins[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_both_files_pin_the_same_versions() -> None:
    run, dev = read_pins("run"), read_pins("dev")
    assert run.items() <= dev.items()
