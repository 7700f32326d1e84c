"""Background work: a few lines each, calling services. Every job is a management command too."""

from __future__ import annotations

import structlog
from django.core.management import call_command
from django.dispatch import receiver
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task, on_startup, periodic_task

from isales_proxy.client.errors import ISalesError
from isales_proxy.models import Vdn
from isales_proxy.services import health, result_codes

log = structlog.get_logger("isales")


@db_task()
def refresh_result_codes(vdn_id: int, by: str) -> None:
    """Refresh one VDN's codes; a failure changes nothing and is logged."""
    try:
        result_codes.refresh_unattended(vdn=Vdn.objects.get(pk=vdn_id), by=by)
    except (ISalesError, result_codes.AlreadyRunning) as error:
        log.warning("codes_not_refreshed", vdn=vdn_id, by=by, reason=type(error).__name__)


@receiver(result_codes.unknown_code_seen, dispatch_uid="isales_proxy.jobs")
def refresh_for_unknown_code(vdn: Vdn, **_more: object) -> None:
    """A row bears a code that the table lacks: perhaps the vendor's table has it by now."""
    refresh_result_codes(vdn.pk, "unknown code seen")


@db_periodic_task(crontab(hour="3", minute="17"))
def refresh_all_result_codes() -> None:
    """Daily, at a quiet hour of `TIME_ZONE`: every enabled VDN."""
    for vdn_id in Vdn.objects.filter(enabled=True).values_list("pk", flat=True):
        refresh_result_codes(vdn_id, "daily job")


@db_periodic_task(crontab(hour="3", minute="47"))
def clear_sessions() -> None:
    """Daily: forget the sessions that have expired, which nothing else deletes."""
    call_command("clearsessions")


@on_startup()
def say_started() -> None:
    """A worker that has just begun is alive."""
    health.jobs_alive()


@periodic_task(crontab())
def say_alive() -> None:
    """Every minute, so that `/readyz` can tell a silent worker."""
    health.jobs_alive()
