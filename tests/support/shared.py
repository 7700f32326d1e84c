"""Files that all workers of a run share, some of them all runs: each is made once, by the worker
that needs it first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_KEPT = ROOT / "var" / "tests"
# Set by `use_folder_of` at the start of a process of tests.
_folders: list[Path] = []


def use_folder_of(factory: pytest.TempPathFactory) -> None:
    """Share what is made in the folder of this run."""
    mine = factory.getbasetemp()
    # Above a worker's folder lies that of its run; above that of a lone run lie those of others.
    _folders[:] = [mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine]


def make_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the shared file or folder of this name; `make` gets the path at which to make it."""
    return _make_once(_folders[0] / f"shared-{name}", make)


def make_kept(name: str, sources: Iterable[Path], key: str, make: Callable[[Path], None]) -> Path:
    """Return the file of this name that earlier runs have made of the same sources with the same
    key."""
    digest = hashlib.sha256(key.encode())
    for path in sources:
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    made = _KEPT / f"{name}-{digest.hexdigest()[:16]}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    for former in _KEPT.glob(f"{name}-*"):
        if former.stem != made.stem:
            former.unlink(missing_ok=True)
    return _make_once(made, make)


def _make_once(made: Path, make: Callable[[Path], None]) -> Path:
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            draft = made.with_suffix(".draft")
            make(draft)
            draft.rename(made)
    return made
