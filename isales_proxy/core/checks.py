"""Validators and parsers of single variables of the environment. They raise ValidationError."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from django.http.request import split_domain_port
from environs import ValidationError

from isales_proxy.core.roles import Role

_PORTS: Final = {"https": 443, "http": 80}

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_GRANT: Final = re.compile(r"(?P<value>[^\s].*)=(?P<role>[a-z]+)@(?P<vdn>\d{1,4})")
_VDN: Final = re.compile(
    r"(?P<id>\d{1,4}):(?P<name>[^:,]{1,80})(?::(?P<zone>[A-Za-z0-9_+\-/]{1,64}))?"
)


@dataclass(frozen=True)
class VdnSeed:
    """A VDN to create at start. An empty time zone means `TIME_ZONE`."""

    id: int
    name: str
    time_zone: str = ""


@dataclass(frozen=True)
class Grant:
    """A value of the role claim, and the role and VDN that it grants."""

    value: str
    role: str
    vdn_id: int


def parse_vdns(text: str) -> tuple[VdnSeed, ...]:
    """Parse `id:Name[:IANA time zone]`, comma separated."""
    found = []
    for part in text.split(","):
        match = _VDN.fullmatch(part.strip())
        if match is None or not 1 <= int(match["id"]) <= 9999:
            raise ValidationError("wants id:Name[:IANA time zone], comma separated, id 1 to 9999")
        if match["zone"]:
            time_zone(match["zone"])
        found.append(VdnSeed(int(match["id"]), match["name"].strip(), match["zone"] or ""))
    return tuple(found)


def time_zone(name: str) -> None:
    """Accept an IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"no such time zone: {name}") from error


def web_address(text: str) -> None:
    """Accept an http or https address without a query, or nothing."""
    parts = _parts(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query):
        raise ValidationError("wants https://host[:port]")


def time_format(text: str) -> None:
    """Accept a format with date and time that fits into a request."""
    if text in {"milliseconds", "seconds"}:
        return
    trials = [
        datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC),
        datetime(2011, 12, 13, 14, 15, 16, tzinfo=UTC),
    ]
    try:
        formatted = [moment.strftime(text) for moment in trials]
    except ValueError:
        formatted = []
    if len(set(formatted)) != 2 or any(
        len(each) > 64 or not each.isprintable() for each in formatted
    ):
        raise ValidationError("wants milliseconds, seconds, or a format like %Y-%m-%d %H:%M:%S")


def redis_address(text: str) -> None:
    """Accept an address of Redis, or nothing."""
    if text and _parts(text).scheme not in {"redis", "rediss", "unix"}:
        raise ValidationError("wants redis://host:port/number")


def hosts(names: list[str]) -> None:
    """Accept host names as Django compares them with the `Host` header: no scheme, no port."""
    for name in filter(None, names):
        host, port = split_domain_port(name.removeprefix("."))
        if name != "*" and (not host or port or host != name.removeprefix(".").lower()):
            raise ValidationError(
                f"{name} can never match: wants a host alone, as example.org, .example.org, "
                "192.0.2.10 or [::1], without scheme, port, path or blank"
            )
    if not any(names):
        raise ValidationError("wants at least one host")


def header_word(text: str) -> None:
    """Accept ASCII text without blanks, or nothing."""
    if not all("!" <= character <= "~" for character in text):
        raise ValidationError("can never match: wants ASCII without blanks")


def origins(addresses: list[str]) -> None:
    """Accept origins as browsers send them, or with `*.` for all subdomains."""
    for address in filter(None, addresses):
        parts = _parts(address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        host = (parts.hostname or "").removeprefix("*.")
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
        if parts.scheme not in _PORTS or not host or port == 0 or address != origin:
            raise ValidationError(
                f"{address} can never match: wants https://host[:port], without a path or a slash "
                "at its end"
            )
        if "*" in host or not split_domain_port(host if ":" not in host else f"[{host}]")[0]:
            raise ValidationError(f"{address} can never match: no browser names such a host")
        if port == _PORTS[parts.scheme]:
            raise ValidationError(f"{address} can never match: browsers leave out port {port}")


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise ValidationError("no address") from error


def certificates(text: str) -> None:
    """Accept a file or folder that exists, or nothing."""
    if text and not Path(text).exists():
        raise ValidationError("no such file or directory")


def parse_roles(text: str) -> frozenset[str]:
    """Parse existing roles, comma separated, or none."""
    found = frozenset(filter(None, map(str.strip, text.split(","))))
    if not found <= set(Role.values):
        raise ValidationError(f"wants some of {', '.join(Role.values)}")
    return found


def parse_issuer(text: str) -> str:
    """Parse the provider's own address: over TLS, unless it is on this machine."""
    web_address(text)
    parts = urlsplit(text)
    if text and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValidationError("wants https://")
    return text.rstrip("/")


def parse_grants(text: str) -> tuple[Grant, ...]:
    """Parse `value=role@VDN`, comma separated."""
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _GRANT.fullmatch(part)
        if match is None or match["role"] not in Role.values or not 1 <= int(match["vdn"]) <= 9999:
            raise ValidationError(
                f"wants value=role@VDN, comma separated; roles: {', '.join(Role.values)}"
            )
        found.append(Grant(match["value"].strip(), match["role"], int(match["vdn"])))
    return tuple(found)
