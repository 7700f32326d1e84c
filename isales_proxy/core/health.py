"""Is it well? For the dot in the navigation, for `/readyz` and for people who watch at night."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from django.core.cache import cache
from django.db import DatabaseError, connection
from huey.contrib.djhuey import HUEY

from isales_proxy.core.metrics import LAST_CALL_KEY, LAST_GOOD_KEY, LastCall
from isales_proxy.core.settings import get_isales_settings

_JOBS_SEEN: Final = "worker-seen"
_JOBS_SILENT_SECONDS: Final = 180

VendorState = Literal["ok", "failing", "unknown"]


@dataclass(frozen=True)
class VendorHealth:
    """How the last call went, its duration in ms, and when the vendor last answered (aware UTC)."""

    state: VendorState
    ms: int | None
    answered_at: datetime | None


def get_vendor_health() -> VendorHealth:
    """What is known of the vendor without calling it."""
    found: dict[str, LastCall] = cache.get_many([LAST_CALL_KEY, LAST_GOOD_KEY])
    last, good = found.get(LAST_CALL_KEY), found.get(LAST_GOOD_KEY)
    return VendorHealth(
        state="unknown" if last is None else "ok" if last.answered else "failing",
        ms=None if good is None else round(good.seconds * 1000),
        answered_at=None if good is None else datetime.fromtimestamp(good.at, UTC),
    )


def check_readiness() -> tuple[bool, dict[str, Any]]:
    """Whether this process can serve people, and the state of each part.

    A vendor that is away does not make us unready: we serve the last good answers and say so.
    """
    database, store = _database(), _cache()
    health = get_vendor_health()
    parts = {
        "database": database,
        "cache": store,
        "jobs": _jobs(),
        "vendor": {
            "state": health.state,
            "mode": "demo" if get_isales_settings().demo else "live",
            "last_ms": health.ms,
            "last_answer": health.answered_at.isoformat() if health.answered_at else None,
        },
    }
    return database == store == "ok", parts


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "failing"
    return "ok"


def _cache() -> str:
    try:
        cache.set("health", 1, 5)
        return "ok" if cache.get("health") == 1 else "failing"
    except Exception:  # noqa: BLE001 - each backend has its own errors, and none may pass
        return "failing"


def record_worker_heartbeat(clock: Callable[[], float] = time.time) -> None:
    """Said by the worker every minute and at its start."""
    HUEY.put(_JOBS_SEEN, clock())


def _jobs(clock: Callable[[], float] = time.time) -> dict[str, Any]:
    try:
        seen = HUEY.get(_JOBS_SEEN, peek=True)
        waiting = HUEY.pending_count()
    except Exception:  # noqa: BLE001 - each queue has its own errors, and none may pass
        return {"state": "failing", "waiting": None}
    silent = seen is None or clock() - seen > _JOBS_SILENT_SECONDS
    return {"state": "silent" if silent else "ok", "waiting": waiting}
