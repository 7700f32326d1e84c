"""Collection of static files, skipped when nothing changed: compressing them is slow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders


@dataclass(frozen=True)
class Stamp:
    """The collected files: a digest of names, sizes, times and the way of storing them."""

    path: Path
    digest: str

    @classmethod
    def now(cls) -> Stamp:
        """The stamp of the files as they are."""
        digest = hashlib.sha256(repr((settings.STATIC_URL, settings.STORAGES)).encode())
        for finder in get_finders():
            for name, storage in finder.list([]):
                found = Path(storage.path(name)).stat()
                digest.update(f"{name}|{found.st_size}|{found.st_mtime_ns}\n".encode())
        # Beside the folder: what is in it is served.
        return cls(Path(settings.STATIC_ROOT).parent / "static-gathered", digest.hexdigest())

    def is_there(self) -> bool:
        """Tell whether this very state was gathered to its end."""
        served = Path(settings.STATIC_ROOT).is_dir()
        return served and self.path.is_file() and self.path.read_text("ascii") == self.digest

    def leave(self) -> None:
        """Say that it was."""
        self.path.write_text(self.digest, "ascii")
