"""Background jobs. They call services, as management commands do."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog
from django.dispatch import receiver
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task, on_startup, periodic_task

from isales_proxy import retention
from isales_proxy.audit import retention as upkeep
from isales_proxy.client.errors import ISalesError
from isales_proxy.core import database, health
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.exports import services as exports
from isales_proxy.models import RefreshKind, Vdn
from isales_proxy.outbound import storage
from isales_proxy.result_codes import services as result_codes
from isales_proxy.vendor.vendor_use import SimulatorRefused
from isales_proxy.write_backs import services as write_backs
from isales_proxy.write_backs.delivery import DeliveryWorker

log = structlog.get_logger("isales")

_SECOND = timedelta(seconds=1)


@db_task()
def refresh_result_codes(vdn_id: int, by: str, kind: str = RefreshKind.SCHEDULE.value) -> None:
    """Refresh one VDN's codes; a failure changes nothing and is logged."""
    try:
        result_codes.refresh_unattended(
            vdn=Vdn.objects.get(pk=vdn_id), by=by, kind=RefreshKind(kind)
        )
    except (ISalesError, AlreadyRunning) as error:
        log.warning("codes_not_refreshed", vdn=vdn_id, by=by, reason=type(error).__name__)


@receiver(result_codes.unknown_code_seen, dispatch_uid="isales_proxy.jobs")
def refresh_for_unknown_code(vdn: Vdn, **_more: object) -> None:
    """Refresh the codes when a reservation has a code that the table lacks."""
    refresh_result_codes(vdn.pk, "unknown code seen", RefreshKind.NEED.value)


@db_periodic_task(crontab(hour="3", minute="17"))
def refresh_all_result_codes() -> None:
    """Refresh the codes of every enabled VDN, daily."""
    for vdn_id in Vdn.objects.enabled().values_list("pk", flat=True):
        refresh_result_codes(vdn_id, "daily job")


class DeliveryRunner:
    """Runs deliveries, one at a time in this process, so that other worker threads stay free."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._running = threading.Lock()
        self._scheduled_at: datetime | None = None

    def run(self) -> None:
        """Deliver what is due, and schedule the next delivery."""
        self._requested.set()
        # A request during a delivery makes it check once more before it ends.
        while self._requested.is_set() and self._running.acquire(blocking=False):
            try:
                self._requested.clear()
                delivered = DeliveryWorker().deliver_due()
                self._schedule(delivered.next_at)
            except SimulatorRefused as error:
                log.error("write_backs_not_delivered", reason=str(error))
            finally:
                self._running.release()

    def _schedule(self, at: datetime | None) -> None:
        if at is None:
            return
        # The queue has a resolution of one second, and might run the job too early.
        now = timezone.now()
        at = (max(at, now) + _SECOND).replace(microsecond=0)
        if self._scheduled_at is not None and now + _SECOND < self._scheduled_at <= at:
            return
        self._scheduled_at = at
        deliver.schedule(eta=at)


_runner = DeliveryRunner()


@db_task()
def deliver() -> None:
    """Deliver the write-backs that are due."""
    _runner.run()


@receiver(write_backs.queued, dispatch_uid="isales_proxy.jobs")
def deliver_what_was_queued(**_more: object) -> None:
    """Deliver when a write-back is queued."""
    deliver()


@db_periodic_task(crontab())
def deliver_every_minute() -> None:
    """Deliver what other jobs missed, for example while the queue was unavailable."""
    _runner.run()


@db_periodic_task(crontab())
def recover_call_data() -> None:
    """Complete batches of call data whose process died."""
    storage.settle_lost(timezone.now())


@db_task()
def run_exports() -> None:
    exports.run_queued()


@receiver(exports.queued, dispatch_uid="isales_proxy.jobs")
def run_queued_export(**_more: object) -> None:
    run_exports()


@db_periodic_task(crontab())
def run_exports_every_minute() -> None:
    """Run exports whose job was lost, and mark those of dead workers."""
    exports.run_queued()


@db_periodic_task(crontab(minute="23"))
def remove_exports() -> None:
    """Delete expired exports, hourly."""
    exports.purge(timezone.now())


@db_periodic_task(crontab(minute="41"))
def refresh_statistics() -> None:
    """Refresh the statistics of the tables; see `core.database`."""
    database.refresh_statistics()


@db_periodic_task(crontab(hour="4", minute="7"))
def apply_retention() -> None:
    """Delete data past its retention time, daily."""
    retention.apply_retention(timezone.now())


@db_periodic_task(crontab(hour="4", minute="37"))
def verify_audit() -> None:
    """Verify the audit chain, daily; a broken one is logged and shown on the page."""
    upkeep.verify_and_store()


@on_startup()
def log_start() -> None:
    """Record the start of a worker, and deliver what is due."""
    health.record_worker_heartbeat()
    deliver()


@periodic_task(crontab())
def record_heartbeat() -> None:
    """Record every minute that the worker is alive, for `/readyz`."""
    health.record_worker_heartbeat()
