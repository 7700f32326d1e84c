"""System checks of configuration and data."""

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
    """Require a shared cache for more than one worker process."""
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
    """Warn of user names that differ by case alone, from before that was refused.

    The people log in by the exact name. `migrate`, which every start runs, shows the warning.
    """
    if not databases:
        return []
    try:
        groups = User.objects.list_duplicate_usernames()
    except DatabaseError:
        # The tables do not exist yet.
        return []
    return [
        checks.Warning(
            f"These user names differ by case alone: {', '.join(names)}.",
            hint="Each of these people gets in by the exact name only. Rename all but one of them"
            " under Administration › People.",
            id="isales_proxy.W003",
        )
        for names in groups
    ]


@register(Tags.security, deploy=True)
def encrypted_line(**_more: Any) -> list[CheckMessage]:
    """Warn of connections to CC-iSales without TLS, which carry keys and called numbers."""
    found = settings.ISALES
    addresses = {
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
        for name, address in addresses.items()
        if address.startswith("http://")
    ]


@register(Tags.security, deploy=True)
def no_demo_in_production(**_more: Any) -> list[CheckMessage]:
    """Warn of a production server that shows the simulator's data."""
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
    """Refuse the simulator for a database of a real CC-iSales."""
    if not databases or not vendor_use.refuses_simulator():
        return []
    return [checks.Error(vendor_use.REASON, id="isales_proxy.E002")]


@register(Tags.security)
def private_files(**_more: Any) -> list[CheckMessage]:
    """Warn of files in `VAR_DIR` that other users of the machine can read."""
    folder = Path(settings.VAR_DIR)
    # The files in `static` are public.
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
            id="isales_proxy.W004",
        )
    ]


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
