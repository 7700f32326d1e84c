"""State of the vendor, database, cache and jobs, for the top bar and `/readyz`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from huey.contrib.djhuey import HUEY

from isales_proxy.core.metrics import LAST_CALL_KEY, LAST_GOOD_KEY, LastCall

_HEARTBEAT_KEY: Final = "worker-seen"
_JOBS_SILENT_SECONDS: Final = 180

VendorState = Literal["ok", "failing", "unknown"]


@dataclass(frozen=True)
class VendorHealth:
    """State according to the last call, which ended at `called_at`; time and duration (`ms`) of the
    last call that the vendor answered. Times are aware UTC."""

    state: VendorState
    ms: int | None
    answered_at: datetime | None
    called_at: datetime | None = None


def get_vendor_health() -> VendorHealth:
    """Return the state of the vendor without calling it."""
    found: dict[str, LastCall] = cache.get_many([LAST_CALL_KEY, LAST_GOOD_KEY])
    last, good = found.get(LAST_CALL_KEY), found.get(LAST_GOOD_KEY)
    return VendorHealth(
        state="unknown" if last is None else "ok" if last.answered else "failing",
        ms=None if good is None else round(good.seconds * 1000),
        answered_at=None if good is None else datetime.fromtimestamp(good.at, UTC),
        called_at=None if last is None else datetime.fromtimestamp(last.at, UTC),
    )


def check_readiness() -> tuple[bool, dict[str, Any]]:
    """Return whether this process can serve requests, and the state of each part.

    It can while the vendor is unreachable: the last good answers are served, marked as such.
    """
    database, cache_state = _check_database(), _check_cache()
    health = get_vendor_health()
    parts = {
        "database": database,
        "cache": cache_state,
        "jobs": _check_jobs(),
        "vendor": {
            "state": health.state,
            "mode": "demo" if settings.ISALES.demo else "live",
            "last_ms": health.ms,
            "last_answer": health.answered_at.isoformat() if health.answered_at else None,
        },
    }
    return database == cache_state == "ok", parts


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "failing"
    return "ok"


def _check_cache() -> str:
    try:
        cache.set("health", 1, 5)
        return "ok" if cache.get("health") == 1 else "failing"
    except Exception:  # noqa: BLE001 - each backend has its own errors
        return "failing"


def record_worker_heartbeat() -> None:
    HUEY.put(_HEARTBEAT_KEY, time.time())


def _check_jobs() -> dict[str, Any]:
    try:
        seen = HUEY.get(_HEARTBEAT_KEY, peek=True)
        waiting = HUEY.pending_count()
    except Exception:  # noqa: BLE001 - each queue has its own errors
        return {"state": "failing", "waiting": None}
    silent = seen is None or time.time() - seen > _JOBS_SILENT_SECONDS
    return {"state": "silent" if silent else "ok", "waiting": waiting}
