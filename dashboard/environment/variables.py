"""The reader of the environment: it collects what is wrong, and remembers what was set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from os import environ
from typing import Any, Final

from environs import Env

from dashboard import env_file
from isales_proxy.core.settings import Source, Variable

# Nothing else on a machine uses these prefixes for a variable of ours to be mistaken for.
_OUR_PREFIXES: Final = ("ISALES_", "OIDC_")
# Those that are read before there are settings, or beside them.
_READ_ELSEWHERE: Final = (
    "VAR_DIR",
    "BIND",
    "PORT",
    "CALLBOARD_ENV_FILE",
    "CALLBOARD_GRACE_SECONDS",
)
# How much a foreign name in `.env` may resemble one of ours before it is taken for a slip.
_RESEMBLANCE: Final = 0.9

_SECRET: Final = re.compile(r"SECRET|PASSWORD|TOKEN$|(ACCESS|APP)_KEY$")
_USERINFO: Final = re.compile(r"(?<=://)[^/]*@")
# Redis and PostgreSQL take a password there, too.
_QUERY: Final = re.compile(r"(?<=://)([^?]*\?).*")


class Variables(Env):
    """Reads NAME or the file of NAME_FILE, and collects the files that cannot be read."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        self.unreadable: list[str] = []
        self._given: dict[str, Any] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        file = environ.get(env_key + env_file.FILE_SUFFIX)
        if file:
            value = default
            try:
                # A path means the same wherever a command is started, as cron does at home.
                value = (env_file.BASE_DIR / file).read_text("utf-8-sig").strip()
            except (OSError, ValueError):
                self.unreadable.append(f"{env_key}_FILE: no such readable file")
        else:
            value = super()._get_value(env_key, default)
        self._given[env_key] = value
        return value

    def unknown(self, from_file: Iterable[str]) -> list[str]:
        """Problems: names with a prefix of ours that were never asked for, and names
        `from_file` that look like a slip of the pen."""
        known = {*self._given, *_READ_ELSEWHERE}
        told = []
        for name in sorted(environ):
            base = name.removesuffix(env_file.FILE_SUFFIX)
            if base in known:
                continue
            ours = name.startswith(_OUR_PREFIXES)
            cutoff = 0.6 if ours else _RESEMBLANCE
            close = get_close_matches(base, known, n=1, cutoff=cutoff)
            if ours or (close and name in from_file):
                told.append(f"{name}: unknown" + (f"; is it {close[0]}?" if close else ""))
        return told

    def described(self) -> tuple[Variable, ...]:
        """Every variable that was asked for, as it is in effect and may be shown."""
        defaults = self.dump()
        return tuple(
            _described(name, defaults.get(name) if given is ... else given)
            for name, given in self._given.items()
        )


def _described(name: str, value: Any) -> Variable:
    """Nothing of a secret, no name or password of an address, and nothing of its query."""
    source: Source = "default"
    if environ.get(name + env_file.FILE_SUFFIX):
        source = "file"
    elif name in environ:
        source = ".env" if name in env_file.load() else "environment"
    secret = _SECRET.search(name) is not None
    words = _words(value)
    return Variable(
        name=name,
        shown="" if secret else _QUERY.sub(r"\1…", _USERINFO.sub("…@", words)),
        is_set=bool(words),
        source=source,
        secret=secret,
    )


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        # A database that nobody chose: a file.
        return str(value.get("NAME", ""))
    return "" if value is None else str(value)
