"""Pins what `pyproject.toml` asks for: exact versions, and the hashes of every file of each.

pip resolves, and pip's own finder lists the files, so that whatever index this machine is set up
for is used and its address is written nowhere. Run it with the oldest Python that is supported.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from pip._internal.cli.req_command import RequirementCommand
from pip._internal.commands import create_command
from pip._internal.index.collector import parse_links
from pip._internal.models.link import Link
from pip._vendor.packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

ROOT = Path(__file__).resolve().parents[1]


def wanted() -> dict[str, list[str]]:
    """Name of a requirements file → what it is to hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    run = project["project"]["dependencies"]
    return {"run": run, "dev": run + project["dependency-groups"]["dev"]}


def resolved(requirements: list[str], folder: Path) -> dict[str, str]:
    """Name → version, with all that they need in turn."""
    asked, report = folder / "asked.txt", folder / "report.json"
    asked.write_text("\n".join(requirements), "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    subprocess.run([*command, "--report", str(report), "-r", str(asked)], check=True)  # noqa: S603
    found = json.loads(report.read_text("utf-8"))["install"]
    names = (item["metadata"] for item in found)
    return {canonicalize_name(each["name"]): each["version"] for each in names}


def finder() -> Any:
    """pip's finder, configured as pip itself is here."""
    command = create_command("download")
    assert isinstance(command, RequirementCommand)  # noqa: S101
    options, _rest = command.parse_args([])
    session = command._build_session(options)  # noqa: SLF001
    return command._build_package_finder(options, session)  # noqa: SLF001


def hashes(found: Any, name: str, version: str) -> set[str]:
    """SHA-256 of every file of that version, whatever its platform."""
    digests = set()
    for url in found.search_scope.get_index_urls_locations(name):
        collector = found._link_collector  # noqa: SLF001
        page = collector.fetch_response(Link(url), package_name=name)
        for link in parse_links(page) if page else ():
            if version_of(link.filename) == version and link.hash_name == "sha256":
                digests.add(str(link.hash))
    return digests


def version_of(filename: str) -> str:
    """The version in the name of a distribution file; empty for other files."""
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidSdistFilename, InvalidWheelFilename):
        return ""


def pinned(versions: dict[str, str], found: Any) -> str:
    """The text of a requirements file."""
    blocks = []
    for name, version in sorted(versions.items()):
        digests = sorted(hashes(found, name, version))
        if not digests:
            raise SystemExit(f"{name} {version}: the index gives no hash.")
        blocks.append(
            " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{d}" for d in digests)])
        )
    return "\n".join(blocks) + "\n"


def main() -> None:
    """Write both files."""
    found = finder()
    with tempfile.TemporaryDirectory() as folder:
        for kind, requirements in wanted().items():
            text = pinned(resolved(requirements, Path(folder)), found)
            (ROOT / "requirements" / f"{kind}.txt").write_text(text, "utf-8")
            print(f"requirements/{kind}.txt: {text.count('==')} packages")  # noqa: T201


if __name__ == "__main__":
    main()
