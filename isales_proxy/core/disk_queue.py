"""Files in `VAR_DIR/spool` for data that must not be lost while the database is unavailable.

Files are written atomically, synced to the disk, and readable by their owner only. Names are keys
and never contain a phone number.
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
    """One file: its name, metadata (`facts`) and contents."""

    name: str
    facts: Mapping[str, Any]
    body: bytes = field(repr=False)


def store(name: str, facts: Mapping[str, Any], body: bytes) -> None:
    """Store a file; its name has lower-case letters, digits and dashes. Raises OSError."""
    with reserve(name, 0) as file:
        file.put(facts, body)


class ReservedFile:
    """A file whose disk space is reserved before its contents are known.

    Leaving the context without `put` frees the space.
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
        """Write the file atomically and sync it to the disk. Raises OSError."""
        data = memoryview(json.dumps(dict(facts)).encode() + b"\n" + body)
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], written)
        os.ftruncate(self._handle, len(data))
        os.fsync(self._handle)
        self._draft.replace(self._path)
        _sync(self._path.parent)

    def close(self) -> None:
        """Free the space if nothing was put. May be called more than once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reserve(name: str, size: int) -> ReservedFile:
    """Reserve `size` bytes for a file of this name. Raises OSError if the disk is full."""
    return ReservedFile(_path(name), size)


def fetch(name: str) -> StoredFile | None:
    """Return the file of this name; None if it does not exist or is damaged."""
    try:
        head, _newline, body = _path(name).read_bytes().partition(b"\n")
        facts = json.loads(head)
    except (OSError, ValueError):
        return None
    return StoredFile(name, facts, body) if isinstance(facts, dict) else None


def list_names(prefix: str = "") -> Iterator[str]:
    """Return the names of the files, sorted."""
    found = sorted(path.stem for path in _folder().glob(f"{prefix}*{_SUFFIX}"))
    return (name for name in found if _NAME.fullmatch(name))


def remove_incomplete(before: datetime) -> None:
    """Delete incomplete files of dead processes, last changed before that time (aware)."""
    for draft in _folder().glob(f"*{_DRAFT}"):
        # Another process may have deleted it already.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before.timestamp():
                draft.unlink()


def remove(name: str) -> None:
    """Delete the file of this name, if it exists."""
    _path(name).unlink(missing_ok=True)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "spool"


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError("no name for a spool file")
    return _folder() / f"{name}{_SUFFIX}"


def _sync(folder: Path) -> None:
    """Sync the directory, so that the entry of a new file is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
