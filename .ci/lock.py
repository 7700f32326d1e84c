"""Pins what `pyproject.toml` asks for: exact versions, and the hashes of every file of each.

pip resolves, and pip's own finder lists the files, so that whatever index this machine is set up
for is used and its address is written nowhere. Run it with the oldest Python that is supported.

pip resolves for this machine alone. So what another Python or platform needs besides is asked for
as well, and whatever is not needed everywhere bears a marker that says where.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from pip._internal.cli.req_command import RequirementCommand
from pip._internal.commands import create_command
from pip._internal.index.collector import parse_links
from pip._internal.models.link import Link
from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

ROOT = Path(__file__).resolve().parents[1]

Environment = dict[str, str]

# Where the pins must hold: each release of Python from the oldest on, the platforms, the makes.
_PYTHONS = [(f"3.{minor}", patch) for minor in range(11, 16) for patch in range(20)]
_PLATFORMS = [
    ("linux", "Linux", "posix"),
    ("darwin", "Darwin", "posix"),
    ("win32", "Windows", "nt"),
]
_MAKES = [("cpython", "CPython"), ("pypy", "PyPy")]
ENVIRONMENTS: list[Environment] = [
    {
        "python_version": version,
        "python_full_version": f"{version}.{patch}",
        "sys_platform": platform,
        "platform_system": system,
        "os_name": family,
        "implementation_name": make,
        "platform_python_implementation": title,
    }
    for version, patch in _PYTHONS
    for platform, system, family in _PLATFORMS
    for make, title in _MAKES
]
_CONDITION = re.compile(r'[a-z_]+ (?:not in|in|[<>=!~]+) "[^"]*"')


@dataclass(frozen=True)
class Release:
    """A version that was resolved, and what it asks for in its turn."""

    version: str
    needs: tuple[Requirement, ...]


def wanted() -> dict[str, list[str]]:
    """Name of a requirements file → what it is to hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    run = project["project"]["dependencies"]
    return {"run": run, "dev": run + project["dependency-groups"]["dev"]}


def resolved(requirements: list[str], folder: Path) -> dict[str, Release]:
    """Name → release, with all that they need in turn, wherever they are installed."""
    roots = [Requirement(each) for each in requirements]
    asked = list(requirements)
    while True:
        releases = resolved_here(asked, folder)
        missing = {
            bare(each)
            for environment in ENVIRONMENTS
            for each in needed(roots, releases, environment)
            if canonicalize_name(each.name) not in releases
        }
        if not missing:
            return releases
        asked += sorted(missing)


def resolved_here(requirements: list[str], folder: Path) -> dict[str, Release]:
    """Name → release, as pip would install them on this machine."""
    asked, report = folder / "asked.txt", folder / "report.json"
    asked.write_text("\n".join(requirements), "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    subprocess.run([*command, "--report", str(report), "-r", str(asked)], check=True)  # noqa: S603
    found = json.loads(report.read_text("utf-8"))["install"]
    return {
        canonicalize_name(each["name"]): Release(
            each["version"], tuple(Requirement(text) for text in each.get("requires_dist", ()))
        )
        for each in (item["metadata"] for item in found)
    }


def needed(
    roots: list[Requirement], releases: dict[str, Release], environment: Environment
) -> Iterator[Requirement]:
    """Every requirement that counts in that environment, those without a release included."""
    waiting = [each for each in roots if applies(each, environment)]
    seen = set()
    while waiting:
        each = waiting.pop()
        yield each
        release = releases.get(canonicalize_name(each.name))
        for extra in ("", *each.extras):
            if release is not None and (place := (each.name, extra)) not in seen:
                seen.add(place)
                waiting += [need for need in release.needs if applies(need, environment, extra)]


def applies(requirement: Requirement, environment: Environment, extra: str = "") -> bool:
    """Whether the requirement counts in that environment, for that extra of who asks."""
    marker = requirement.marker
    return marker is None or marker.evaluate(environment | {"extra": extra})


def bare(requirement: Requirement) -> str:
    """The requirement as if it counted everywhere."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def markers(requirements: list[str], releases: dict[str, Release]) -> dict[str, str]:
    """Name → the condition under which it is needed, "" for those that are needed everywhere.

    It is put together of conditions that the requirements name themselves, of two at the most.
    """
    roots = [Requirement(each) for each in requirements]
    places: dict[str, set[int]] = {name: set() for name in releases}
    for number, environment in enumerate(ENVIRONMENTS):
        for each in needed(roots, releases, environment):
            places[canonicalize_name(each.name)].add(number)
    known = conditions(releases)
    return {name: condition(name, where, known) for name, where in places.items()}


def conditions(releases: dict[str, Release]) -> dict[str, set[int]]:
    """Every condition that some requirement names → the environments in which it is met."""
    needs = (need for release in releases.values() for need in release.needs)
    texts = {text for need in needs for text in _CONDITION.findall(str(need.marker or ""))}
    return {
        text: {
            number
            for number, environment in enumerate(ENVIRONMENTS)
            if Marker(text).evaluate(environment)
        }
        for text in sorted(texts, key=lambda text: (len(text), text))
        if not text.startswith("extra ")
    }


def condition(name: str, where: set[int], known: dict[str, set[int]]) -> str:
    """The shortest condition that holds exactly there."""
    if len(where) == len(ENVIRONMENTS):
        return ""
    for text, met in known.items():
        if met == where:
            return text
    for (one, met), (other, met_too) in combinations(known.items(), 2):
        for word, both in (("and", met & met_too), ("or", met | met_too)):
            if both == where:
                return f"{one} {word} {other}"
    raise SystemExit(f"{name}: no simple marker says where it is needed.")


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


def pinned(requirements: list[str], releases: dict[str, Release], found: Any) -> str:
    """The text of a requirements file."""
    where = markers(requirements, releases)
    blocks = []
    for name, release in sorted(releases.items()):
        digests = sorted(hashes(found, name, release.version))
        if not digests:
            raise SystemExit(f"{name} {release.version}: the index gives no hash.")
        pin = f"{name}=={release.version}"
        if where[name]:
            pin += " ; " + where[name].replace('"', "'")
        blocks.append(" \\\n".join([pin, *(f"    --hash=sha256:{d}" for d in digests)]))
    return "\n".join(blocks) + "\n"


def main() -> None:
    """Write both files."""
    found = finder()
    with tempfile.TemporaryDirectory() as folder:
        for kind, requirements in wanted().items():
            releases = resolved(requirements, Path(folder))
            text = pinned(requirements, releases, found)
            (ROOT / "requirements" / f"{kind}.txt").write_text(text, "utf-8")
            print(f"requirements/{kind}.txt: {len(releases)} packages")  # noqa: T201


if __name__ == "__main__":
    main()
