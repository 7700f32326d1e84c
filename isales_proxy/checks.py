"""System checks: a configuration that cannot work is told before it hurts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from isales_proxy.models import User
from isales_proxy.vendor import vendor_use


@register(Tags.caches)
def shared_cache(**_more: Any) -> list[CheckMessage]:
    """More than one worker process needs a cache that they share."""
    backend = settings.CACHES["default"]["BACKEND"]
    if settings.WEB_CONCURRENCY > 1 and backend.endswith("LocMemCache"):
        return [
            checks.Error(
                "There are several worker processes, but each has a cache of its own.",
                hint="Set CACHE_URL=redis://…, or WEB_CONCURRENCY=1.",
                id="isales_proxy.E001",
            )
        ]
    return []


@register(Tags.database)
def one_person_per_username(databases: Sequence[str] | None = None, **_more: Any) -> list[Any]:
    """People whose user names differ by case alone, from before that was refused.

    Each of them logs in by the exact name. `migrate`, which every start runs, says it.
    """
    if not databases:
        return []
    try:
        pairs = User.objects.list_duplicate_usernames()
    except DatabaseError:
        # The tables are yet to be made.
        return []
    return [
        checks.Warning(
            f"These user names differ by case alone: {', '.join(names)}.",
            hint="Each of these people gets in by the exact name only. Rename all but one of them"
            " under Administration › People.",
            id="isales_proxy.W003",
        )
        for names in pairs
    ]


@register(Tags.security, deploy=True)
def encrypted_line(**_more: Any) -> list[CheckMessage]:
    """Keys, tokens and called numbers travel over the lines to CC-iSales."""
    found = settings.ISALES
    lines = {
        "ISALES_BASE_URL": found.base_url,
        "ISALES_OBS_BASE_URL": found.obs_base_url,
        "ISALES_TOKEN_URL": found.token_url,
    }
    return [
        checks.Warning(
            f"{name} is not encrypted.",
            hint="Use https://, with ISALES_CA_BUNDLE for a private certificate authority.",
            id="isales_proxy.W001",
        )
        for name, address in lines.items()
        if address.startswith("http://")
    ]


@register(Tags.security, deploy=True)
def no_demo_in_production(**_more: Any) -> list[CheckMessage]:
    """A production server that shows invented calls would mislead people."""
    if settings.ISALES.demo:
        return [
            checks.Warning(
                "ISALES_BASE_URL is not set: the simulator stands in for CC-iSales.",
                hint="Set ISALES_BASE_URL, ISALES_ACCESS_KEY and ISALES_SECRET_KEY.",
                id="isales_proxy.W002",
            )
        ]
    return []


@register(Tags.database)
def no_simulator_on_real_data(databases: Any = None, **_more: Any) -> list[CheckMessage]:
    """A command or worker that lacks the configuration of the others must not touch their data."""
    if not databases or not vendor_use.refuses_simulator():
        return []
    return [checks.Error(vendor_use.REASON, id="isales_proxy.E002")]


@register(Tags.security)
def private_files(**_more: Any) -> list[CheckMessage]:
    """Databases, sessions, jobs and keys are for the user alone who runs the product."""
    folder = Path(settings.VAR_DIR)
    # What is collected in `static` is shown to everybody.
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.name != "static")]
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        database = str(settings.DATABASES["default"]["NAME"])
        beside = (Path(database + suffix) for suffix in ("", "-wal", "-shm"))
        candidates += [path for path in beside if path.parent != folder]
    wide = [str(path) for path in candidates if _is_open(path)]
    if not wide:
        return []
    return [
        checks.Warning(
            f"Other users of this machine have access to {', '.join(wide)}.",
            hint=f"chmod -R go= {' '.join(wide)}",
            id="isales_proxy.W003",
        )
    ]


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
