"""Environment variables and the file `.env`, read with types; problems are reported together.

Every entry point copies `.env` beside manage.py, parsed by python-dotenv, into the environment of
its process. The environment takes precedence, also if one of the two has NAME and the other
NAME_FILE. `CALLBOARD_ENV_FILE` names another file, or no file if it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from io import StringIO
from os import environ
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from dotenv.parser import parse_stream
from environs import Env, EnvValidationError

from isales_proxy.core.settings import Source, Variable

T = TypeVar("T")

BASE_DIR: Final = Path(__file__).resolve().parents[2]
_FILE_SUFFIX: Final = "_FILE"
# Only our variables have these prefixes, so an unknown one is a mistake.
_OUR_PREFIXES: Final = ("ISALES_", "OIDC_")
# Variables that are not read by the settings.
_READ_ELSEWHERE: Final = (
    "VAR_DIR",
    "BIND",
    "PORT",
    "CALLBOARD_ENV_FILE",
    "CALLBOARD_GRACE_SECONDS",
)
# Similarity from which an unknown name in `.env` counts as a misspelling of ours.
_SIMILARITY: Final = 0.9

_SECRET: Final = re.compile(r"SECRET|PASSWORD|TOKEN$|(ACCESS|APP)_KEY$")
_USERINFO: Final = re.compile(r"(?<=://)[^/]*@")
# Addresses of Redis and PostgreSQL may have a password in the query, too.
_QUERY: Final = re.compile(r"(?<=://)([^?]*\?).*")


@cache
def load_env_file() -> frozenset[str]:
    """Copy the variables of `.env` into `os.environ`, once per process; return their names.

    Raises ImproperlyConfigured with every line that cannot be read.
    """
    taken = {name.removesuffix(_FILE_SUFFIX) for name in environ}
    new = {
        name: value
        for name, value in _parse_env_file().items()
        if name.removesuffix(_FILE_SUFFIX) not in taken
    }
    environ.update(new)
    return frozenset(new)


def _parse_env_file() -> dict[str, str]:
    name = environ.get("CALLBOARD_ENV_FILE", ".env")
    path = BASE_DIR / name
    if not name or not path.exists():
        return {}
    try:
        # Windows editors write a byte order mark.
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path.name} cannot be read: it is not UTF-8.") from None
    except OSError as error:
        raise ImproperlyConfigured(f"{path.name} cannot be read: {error.strerror}.") from None
    found: dict[str, str] = {}
    problems = []
    for binding in parse_stream(StringIO(text)):
        # The text of a binding includes the blank lines before it.
        text = binding.original.string
        blanks = text[: len(text) - len(text.lstrip())]
        line = binding.original.line + len(blanks.splitlines())
        key, value = binding.key, binding.value
        if key is None and not binding.error:
            continue
        if key is None or value is None or not key.isidentifier() or "\0" in value:
            problems.append(f"  - line {line}: must be NAME=value")
            continue
        found[key] = value
    if problems:
        raise ImproperlyConfigured("\n".join([f"{path.name} cannot be read:", *problems]))
    return found


class Variables(Env):
    """Reads NAME or the file of NAME_FILE, and stores each value for the settings page."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        self.add_parser("parsed", lambda text, parse: parse(text))
        self._from_file = load_env_file()
        self._unreadable: list[str] = []
        self._given: dict[str, Any] = {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        file = environ.get(env_key + _FILE_SUFFIX)
        if file:
            value = default
            try:
                # Relative to the product, for commands that are started in another directory.
                value = (BASE_DIR / file).read_text("utf-8-sig").strip()
            except (OSError, ValueError):
                self._unreadable.append(f"{env_key}_FILE: no such readable file")
        else:
            value = super()._get_value(env_key, default)
        self._given[env_key] = value
        return value

    def read(self, group: type[T], prefix: str = "") -> T:
        """Read the fields of a dataclass that are declared by `variable`."""
        readers: dict[type, Callable[..., Any]] = {
            bool: self.bool, int: self.int, float: self.float, str: self.str,
        }  # fmt: skip
        values = {}
        for each in fields(group):  # type: ignore[arg-type]
            if not (facts := each.metadata):
                continue
            name, default = facts["name"] or prefix + each.name.upper(), facts["default"]
            if parse := facts["parse"]:
                value = self.parsed(name, default, parse=parse)
            else:
                value = readers[type(default)](name, default, validate=facts["check"])
            # An invalid value is None here, and reported by `finish`.
            values[each.name] = each.default if value is None else value
        return group(**values)

    def read_list(self, name: str, default: list[str], check: Callable[[Any], Any]) -> list[str]:
        """Read comma-separated words without blanks around them."""
        found = self.list(name, default, subcast=str.strip, validate=check)
        return [each for each in found or () if each]

    def finish(self, problems: Iterable[str]) -> tuple[Variable, ...]:
        """Describe every variable in effect, without secrets.

        Raises ImproperlyConfigured with one line for each invalid value, each unknown name, and
        each of `problems`.
        """
        found = [*self._unreadable, *self._list_unknown(), *self._list_invalid(), *problems]
        if found:
            raise ImproperlyConfigured(
                "The environment is not valid:\n" + "\n".join(f"  - {line}" for line in found)
            )
        defaults = self.dump()
        return tuple(
            self._describe(name, defaults.get(name) if value is ... else value)
            for name, value in self._given.items()
        )

    def _list_unknown(self) -> list[str]:
        """List unknown names with a prefix of ours, and probable misspellings in `.env`."""
        known = {*self._given, *_READ_ELSEWHERE}
        unknown = []
        for name in sorted(environ):
            base = name.removesuffix(_FILE_SUFFIX)
            if base in known:
                continue
            ours = name.startswith(_OUR_PREFIXES)
            close = get_close_matches(base, known, n=1, cutoff=0.6 if ours else _SIMILARITY)
            if ours or (close and name in self._from_file):
                unknown.append(f"{name}: unknown" + (f"; is it {close[0]}?" if close else ""))
        return unknown

    def _list_invalid(self) -> list[str]:
        try:
            self.seal()
        except EnvValidationError as error:
            found = cast("Mapping[str, list[str]]", error.error_messages)
            return [f"{name}: {' '.join(map(str, found[name]))}" for name in sorted(found)]
        return []

    def _describe(self, name: str, value: Any) -> Variable:
        """Describe a variable without secrets and without user, password and query of addresses."""
        source: Source = "default"
        if environ.get(name + _FILE_SUFFIX):
            source = "file"
        elif name in environ:
            source = ".env" if name in self._from_file else "environment"
        text = "" if value is None else str(value)
        if isinstance(value, list):
            text = ", ".join(map(str, value))
        elif isinstance(value, dict):
            # The database.
            text = str(value.get("NAME", ""))
        secret = _SECRET.search(name) is not None
        shown = "" if secret else _QUERY.sub(r"\1…", _USERINFO.sub("…@", text))
        return Variable(name=name, shown=shown, is_set=bool(text), source=source, secret=secret)
