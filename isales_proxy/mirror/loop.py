"""The loop of `run_mirror`: a thread for each enabled VDN, so that a slow VDN delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog
from django.db import DatabaseError, close_old_connections, connection

from isales_proxy.core.database import is_unavailable
from isales_proxy.mirror.sweeps import Clocks, Sweeper
from isales_proxy.models import Vdn
from isales_proxy.vendor.vendor_use import SimulatorRefused

log = structlog.get_logger("isales")

# Seconds.
_LIST_VDNS_EVERY: Final = 5.0
_RETRY_AFTER_ERROR: Final = 10.0
_STOP_TIMEOUT: Final = 20.0


def run_mirror(wait: Callable[[float], bool], *, clocks: Clocks | None = None) -> None:
    """Sweep every enabled VDN until `wait(seconds)` returns True.

    VDNs that are added or enabled later are swept within seconds.
    """
    stopped = threading.Event()
    threads: dict[int, threading.Thread] = {}
    own_clocks = replace(clocks or Clocks(), wait=stopped.wait)
    try:
        while True:
            for vdn in _list_vdns():
                thread = threads.get(vdn.pk)
                if thread is None or not thread.is_alive():
                    threads[vdn.pk] = thread = threading.Thread(
                        target=_sweep,
                        args=(vdn.pk, own_clocks, stopped),
                        name=f"mirror-{vdn.pk}",
                        daemon=True,
                    )
                    thread.start()
            if wait(_LIST_VDNS_EVERY):
                return
    finally:
        stopped.set()
        for thread in threads.values():
            thread.join(_STOP_TIMEOUT)


def _list_vdns() -> list[Vdn]:
    try:
        close_old_connections()
        return list(Vdn.objects.filter(enabled=True))
    except DatabaseError as error:
        if not is_unavailable(error):
            raise
        log.warning("mirror_without_database", error=type(error).__name__)
        return []


def _sweep(vdn_id: int, clocks: Clocks, stopped: threading.Event) -> None:
    """Sweep one VDN until it is disabled or `stopped` is set."""
    sweeper: Sweeper | None = None
    try:
        while not stopped.is_set():
            try:
                close_old_connections()
                vdn = Vdn.objects.filter(pk=vdn_id, enabled=True).first()
                if vdn is None:
                    return
                # Its name and time zone may have changed; the sweeper stays the same.
                sweeper = sweeper or Sweeper(vdn, clocks=clocks)
                sweeper.vdn = vdn
                seconds = sweeper.step()
            except (DatabaseError, SimulatorRefused) as error:
                log.warning("mirror_stopped", vdn=vdn_id, error=type(error).__name__)
                seconds = _RETRY_AFTER_ERROR
            if seconds:
                clocks.wait(seconds)
    finally:
        try:
            if sweeper is not None:
                sweeper.close()
        except DatabaseError:
            log.warning("mirror_lease_not_released", vdn=vdn_id)
        connection.close()
