"""The loop of `run_mirror`: a thread for each enabled VDN, so that a slow one holds up no other."""

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

_LOOKED_AGAIN: Final = 5.0
_AFTER_ERROR: Final = 10.0
_ENDING: Final = 20.0


def run_mirror(wait: Callable[[float], bool], *, clocks: Clocks | None = None) -> None:
    """Sweep every enabled VDN until `wait(seconds)` tells that the end was asked for.

    VDNs that come or are switched on later are taken up within seconds. Only an error of ours ends
    it early.
    """
    ended = threading.Event()
    threads: dict[int, threading.Thread] = {}
    base = clocks or Clocks()
    try:
        while True:
            for vdn in _list_vdns():
                thread = threads.get(vdn.pk)
                if thread is None or not thread.is_alive():
                    name = f"mirror-{vdn.pk}"
                    own = replace(base, wait=ended.wait)
                    threads[vdn.pk] = thread = threading.Thread(
                        target=_sweep, args=(vdn.pk, own, ended), name=name, daemon=True
                    )
                    thread.start()
            if wait(_LOOKED_AGAIN):
                return
    finally:
        ended.set()
        for thread in threads.values():
            thread.join(_ENDING)


def _list_vdns() -> list[Vdn]:
    try:
        close_old_connections()
        return list(Vdn.objects.filter(enabled=True))
    except DatabaseError as error:
        if not is_unavailable(error):
            raise
        log.warning("mirror_without_database", error=type(error).__name__)
        return []


def _sweep(vdn_id: int, clocks: Clocks, ended: threading.Event) -> None:
    """Sweep one VDN until the end is asked for or the VDN is disabled."""
    sweeper: Sweeper | None = None
    try:
        while not ended.is_set():
            try:
                close_old_connections()
                vdn = Vdn.objects.filter(pk=vdn_id, enabled=True).first()
                if vdn is None:
                    return
                # Name and zone of a VDN may change; what is known of its list stays.
                sweeper = sweeper or Sweeper(vdn, clocks=clocks)
                sweeper.vdn = vdn
                seconds = sweeper.step()
            except (DatabaseError, SimulatorRefused) as error:
                log.warning("mirror_stopped", vdn=vdn_id, error=type(error).__name__)
                seconds = _AFTER_ERROR
            if seconds:
                clocks.wait(seconds)
    finally:
        try:
            if sweeper is not None:
                sweeper.close()
        except DatabaseError:
            log.warning("mirror_lease_not_released", vdn=vdn_id)
        connection.close()
