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
from typing import Any, Final, Self

from django.conf import settings

_SUFFIX: Final = ".spool"
_DRAFT: Final = ".draft"
_NAME: Final = re.compile(r"[a-z0-9-]{1,100}")


@dataclass(frozen=True)
class StoredFile:
    """One file: its name, the facts beside the bytes, and the bytes."""

    name: str
    facts: Mapping[str, Any]
    body: bytes = field(repr=False)


def store(name: str, facts: Mapping[str, Any], body: bytes) -> None:
    """Keep the bytes under a name of small letters, digits and dashes. Raises OSError."""
    with reserve(name, 0) as file:
        file.put(facts, body)


class ReservedFile:
    """A file whose room on the disk is taken before it is known what it will hold.

    Leaving its block without `put` gives the room back.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._draft = path.with_suffix(f".{os.getpid()}{_DRAFT}")
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._handle = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if size:
                os.posix_fallocate(self._handle, 0, size)
        except OSError:
            self.close()
            raise

    def put(self, facts: Mapping[str, Any], body: bytes) -> None:
        """Write the file, which is whole under its name and on the disk when this returns.

        Raises OSError.
        """
        data = memoryview(json.dumps(dict(facts)).encode() + b"\n" + body)
        place = 0
        while place < len(data):
            place += os.pwrite(self._handle, data[place:], place)
        os.ftruncate(self._handle, len(data))
        os.fsync(self._handle)
        self._draft.replace(self._path)
        _sync(self._path.parent)

    def close(self) -> None:
        """Give back what was not put. May be called more than once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reserve(name: str, size: int) -> ReservedFile:
    """Reserve `size` bytes of the disk for a file of this name. Raises OSError without room."""
    return ReservedFile(_path(name), size)


def fetch(name: str) -> StoredFile | None:
    """Return what is kept under this name; None where there is nothing, or nothing whole."""
    try:
        head, _newline, body = _path(name).read_bytes().partition(b"\n")
        facts = json.loads(head)
    except (OSError, ValueError):
        return None
    return StoredFile(name, facts, body) if isinstance(facts, dict) else None


def list_names(prefix: str = "") -> Iterator[str]:
    """The names that are kept, in their order."""
    found = sorted(path.stem for path in _folder().glob(f"{prefix}*{_SUFFIX}"))
    return (name for name in found if _NAME.fullmatch(name))


def remove_incomplete(before: datetime) -> None:
    """Forget what was never whole, since its process died, and is older than that (aware)."""
    for draft in _folder().glob(f"*{_DRAFT}"):
        # Its process may still be at it, or another may have been faster.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before.timestamp():
                draft.unlink()


def remove(name: str) -> None:
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
