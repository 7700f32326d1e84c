"""Background work: a few lines each, calling services. Every job is a management command too."""

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
    """A row bears a code that the table lacks: perhaps the vendor's table has it by now."""
    refresh_result_codes(vdn.pk, "unknown code seen", RefreshKind.NEED.value)


@db_periodic_task(crontab(hour="3", minute="17"))
def refresh_all_result_codes() -> None:
    """Daily, at a quiet hour of `TIME_ZONE`: every enabled VDN."""
    for vdn_id in Vdn.objects.enabled().values_list("pk", flat=True):
        refresh_result_codes(vdn_id, "daily job")


class Courier:
    """The deliveries of this process: one at a time, however many ask, and none forgotten.

    So of the worker's threads one stays free for other work.
    """

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._under_way = threading.Lock()
        self._woken_at: datetime | None = None

    def run(self) -> None:
        """Deliver what is due, and come again when the next one is."""
        self._wanted.set()
        # Who asks while another delivers makes that one look once more before it ends.
        while self._wanted.is_set() and self._under_way.acquire(blocking=False):
            try:
                self._wanted.clear()
                drained = DeliveryWorker().deliver_due()
                self._come_again(drained.next_at)
            except SimulatorRefused as error:
                log.error("write_backs_not_delivered", reason=str(error))
            finally:
                self._under_way.release()

    def _come_again(self, at: datetime | None) -> None:
        if at is None:
            return
        # The queue counts in whole seconds, and might wake us before the time.
        now = timezone.now()
        at = (max(at, now) + _SECOND).replace(microsecond=0)
        if self._woken_at is not None and now + _SECOND < self._woken_at <= at:
            return
        self._woken_at = at
        deliver.schedule(eta=at)


_courier = Courier()


@db_task()
def deliver() -> None:
    """Bring the vendor what is due of the write-backs."""
    _courier.run()


@receiver(write_backs.queued, dispatch_uid="isales_proxy.jobs")
def deliver_what_was_queued(**_more: object) -> None:
    """Something was put into the outbox."""
    deliver()


@db_periodic_task(crontab())
def deliver_every_minute() -> None:
    """Whatever woke nobody: a queue that was away, a worker that ended."""
    _courier.run()


@db_periodic_task(crontab())
def recover_call_data() -> None:
    """Every minute: see to what a process left undone while call data was being taken."""
    storage.settle_lost(timezone.now())


@db_task()
def run_exports() -> None:
    """Run the exports that are queued."""
    exports.run_queued()


@receiver(exports.queued, dispatch_uid="isales_proxy.jobs")
def run_queued_export(**_more: object) -> None:
    """An export was queued."""
    run_exports()


@db_periodic_task(crontab())
def run_exports_every_minute() -> None:
    """Queued exports whose message was lost; those of a worker that died are marked."""
    exports.run_queued()


@db_periodic_task(crontab(minute="23"))
def remove_exports() -> None:
    """Every hour: delete the files whose day is over."""
    exports.purge(timezone.now())


@db_periodic_task(crontab(minute="41"))
def refresh_statistics() -> None:
    """Refresh what the planner knows of the tables; see `core.database`."""
    database.refresh_statistics()


@db_periodic_task(crontab(hour="4", minute="7"))
def apply_retention() -> None:
    """Daily: delete what is kept no longer."""
    retention.apply_retention(timezone.now())


@db_periodic_task(crontab(hour="4", minute="37"))
def verify_audit() -> None:
    """Daily: walk the chain of the audit; a broken one is logged and shown on its page."""
    upkeep.verify_and_store()


@on_startup()
def log_start() -> None:
    """A worker that has just begun is alive, and delivers what was left behind."""
    health.record_worker_heartbeat()
    deliver()


@periodic_task(crontab())
def record_heartbeat() -> None:
    """Every minute, so that `/readyz` can tell a silent worker."""
    health.record_worker_heartbeat()
