"""Files that all workers of a run share: each is made once, by the worker that needs it first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Set by `use_folder_of` at the start of a process of tests.
_folders: list[Path] = []


def use_folder_of(factory: pytest.TempPathFactory) -> None:
    """Share what is made in the folder of this run."""
    mine = factory.getbasetemp()
    # Above a worker's folder lies that of its run; above that of a lone run lie those of others.
    _folders[:] = [mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine]


def make_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the shared file or folder of this name; `make` gets the path at which to make it."""
    made = _folders[0] / f"shared-{name}"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            draft = made.with_suffix(".draft")
            make(draft)
            draft.rename(made)
    return made
