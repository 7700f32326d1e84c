"""The file `.env` beside manage.py, read by every entry point into the environment of its process.

Parsed by python-dotenv. The environment wins over the file, also where one of them has NAME and the
other NAME_FILE. `CALLBOARD_ENV_FILE` names another file, or none when it is empty.
"""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from dotenv.parser import parse_stream

BASE_DIR: Final = Path(__file__).resolve().parents[1]
FILE_SUFFIX: Final = "_FILE"

_loaded: frozenset[str] | None = None


def load() -> frozenset[str]:
    """Put the file's variables into `os.environ`, once for each process, and return their names.

    Raises ImproperlyConfigured, naming every line that cannot be read.
    """
    global _loaded
    if _loaded is None:
        found = _read()
        taken = {_base(name) for name in os.environ}
        new = {name: value for name, value in found.items() if _base(name) not in taken}
        os.environ.update(new)
        _loaded = frozenset(new)
    return _loaded


def _read() -> dict[str, str]:
    name = os.environ.get("CALLBOARD_ENV_FILE", ".env")
    path = BASE_DIR / name
    if not name or not path.exists():
        return {}
    try:
        # Editors of Windows put a byte order mark in front.
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path.name} cannot be read: it is not UTF-8.") from None
    except OSError as error:
        raise ImproperlyConfigured(f"{path.name} cannot be read: {error.strerror}.") from None
    found: dict[str, str] = {}
    problems = []
    for binding in parse_stream(StringIO(text)):
        # A binding's text begins with the blank lines before it.
        string = binding.original.string
        lead = string[: len(string) - len(string.lstrip())]
        line = binding.original.line + len(lead.splitlines())
        key, value = binding.key, binding.value
        if key is None and not binding.error:
            continue
        if key is None or value is None or not key.isidentifier() or "\0" in value:
            problems.append(f"  - line {line}: wants NAME=value")
            continue
        found[key] = value
    if problems:
        raise ImproperlyConfigured("\n".join([f"{path.name} cannot be read:", *problems]))
    return found


def _base(name: str) -> str:
    return name.removesuffix(FILE_SUFFIX)
