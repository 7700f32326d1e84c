"""Files in `VAR_DIR/spool`: where what must not be lost goes while the database takes nothing.

A file is readable by its owner alone, is there whole or not at all, and has reached the disk when
`put` returns. Its name is a key, never a number of anybody's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

_SUFFIX: Final = ".spool"
_DRAFT: Final = ".draft"
_NAME: Final = re.compile(r"[a-z0-9-]{1,100}")


@dataclass(frozen=True)
class Spooled:
    """One file: its name, the facts beside the bytes, and the bytes."""

    name: str
    facts: Mapping[str, Any]
    body: bytes = field(repr=False)


def put(name: str, facts: Mapping[str, Any], body: bytes) -> None:
    """Keep the bytes under a name of small letters, digits and dashes. Raises OSError."""
    path = _path(name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}{_DRAFT}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(dict(facts)).encode() + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(path.parent)


def get(name: str) -> Spooled | None:
    """What is kept under this name; None where there is nothing, or nothing whole."""
    try:
        head, _newline, body = _path(name).read_bytes().partition(b"\n")
        facts = json.loads(head)
    except (OSError, ValueError):
        return None
    return Spooled(name, facts, body) if isinstance(facts, dict) else None


def waiting(prefix: str = "") -> Iterator[str]:
    """The names that are kept, in their order."""
    found = sorted(path.stem for path in _folder().glob(f"{prefix}*{_SUFFIX}"))
    return (name for name in found if _NAME.fullmatch(name))


def drop_drafts(before: datetime) -> None:
    """Forget what was never whole, since its process died, and is older than that (aware)."""
    for draft in _folder().glob(f"*{_DRAFT}"):
        # Its process may still be at it, or another may have been faster.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before.timestamp():
                draft.unlink()


def drop(name: str) -> None:
    """Forget what is kept under this name."""
    _path(name).unlink(missing_ok=True)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "spool"


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError("no name for a spool file")
    return _folder() / f"{name}{_SUFFIX}"


def _sync(folder: Path) -> None:
    """Let the entry of a new file reach the disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
