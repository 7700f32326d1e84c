"""The reader of the environment: it collects what is wrong, and remembers what was set."""

from __future__ import annotations

import re
from os import environ
from typing import Any, Final

from environs import FileAwareEnv

from isales_proxy.configuration import Source, Variable

_SECRET: Final = re.compile(r"SECRET|PASSWORD|TOKEN$|(ACCESS|APP)_KEY$")
_USERINFO: Final = re.compile(r"(?<=://)[^/]*@")
# Redis and PostgreSQL take a password there, too.
_QUERY: Final = re.compile(r"(?<=://)([^?]*\?).*")


class Variables(FileAwareEnv):
    """Collects the files that cannot be read, where the library stops at the first one."""

    def __init__(self, *, eager: bool, strip_whitespace: bool) -> None:
        super().__init__(eager=eager, strip_whitespace=strip_whitespace)
        self.unreadable: list[str] = []
        self._given: dict[str, Any] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            value = super()._get_value(env_key, default)
        except ValueError:
            self.unreadable.append(f"{env_key}_FILE: no such readable file")
            value = default
        self._given[env_key] = value
        return value

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
    if environ.get(f"{name}_FILE"):
        source = "file"
    elif name in environ:
        source = "environment"
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
