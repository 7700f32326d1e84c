"""Clients of the vendor, created from the settings and a VDN's own keys. Only for services."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import stamina.instrumentation
from django.conf import settings

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import TransportConfig
from isales_proxy.client.errors import KeysUnreadable
from isales_proxy.client.observer import Observer as ClientObserver
from isales_proxy.core.encryption import DecryptionFailed
from isales_proxy.core.metrics import Observer
from isales_proxy.core.settings import ISalesSettings
from isales_proxy.models import Vdn, VdnCredentials
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    Simulator,
)
from isales_proxy.vendor import vendor_use
from isales_proxy.vendor.token_store import DatabaseTokenStore

_OWN_KEYS_UNREADABLE: Final = "The VDN's own keys cannot be opened with this SECRET_KEY."


@dataclass(frozen=True)
class _CachedClient:
    """A client with its observer, and the version of the VDN's own keys that it uses."""

    client: Client
    version: int
    observer: Observer


_lock = threading.Lock()
# By VDN; None: shared by all VDNs that never had keys of their own.
_clients: dict[int | None, _CachedClient] = {}
_simulator: Simulator | None = None
# True once the database is known to be used with a real CC-iSales, which is irreversible.
_in_real_use = False


def get_client(vdn: Vdn) -> Client:
    """Return the client for a VDN, shared by all threads, with the VDN's own keys if it has any.

    Raises KeysUnreadable if those were encrypted under another `SECRET_KEY`, and SimulatorRefused
    for the simulator on a database of a real CC-iSales.
    """
    ensure_allowed()
    key = vdn.pk if vdn.keys_version else None
    with _lock:
        cached = _clients.get(key)
        if cached is None or cached.version != vdn.keys_version:
            if cached is not None:
                cached.client.close()
            observer = Observer()
            cached = _CachedClient(_create_client(vdn, observer), vdn.keys_version, observer)
            _clients[key] = cached
        return cached.client


def get_clock_offset(vdn: Vdn) -> timedelta | None:
    """Return how far the vendor's clock is ahead of ours by its last answer to this process."""
    with _lock:
        cached = _clients.get(vdn.pk if vdn.keys_version else None)
    return cached.observer.clock_offset if cached is not None else None


def create_diagnostic_client(vdn: Vdn, observer: ClientObserver) -> Client:
    """Create a client of the VDN for one check, without retries and with its own circuit breakers.

    It reports to `observer`; the caller closes it. Raises like `get_client`.
    """
    ensure_allowed()
    with _lock:
        return _create_client(vdn, observer, retries=False)


def close() -> None:
    """Close the clients and an embedded simulator; the next call creates new ones."""
    global _simulator, _in_real_use
    _in_real_use = False
    with _lock:
        for cached in _clients.values():
            cached.client.close()
        _clients.clear()
        if _simulator is not None:
            _simulator.stop()
        _simulator = None


def ensure_allowed() -> None:
    """Record which vendor this database is used with; see `vendor_use.check`.

    Demo mode checks each time, since another process may use the database with a real CC-iSales.
    Raises SimulatorRefused and django.db.Error.
    """
    global _in_real_use
    if settings.ISALES.demo:
        vendor_use.check()
    elif not _in_real_use:
        vendor_use.check()
        _in_real_use = True


def _create_client(vdn: Vdn, observer: ClientObserver, *, retries: bool = True) -> Client:
    # The observer logs every attempt; stamina would log it a second time.
    stamina.instrumentation.set_on_retry_hooks(())
    found = _use_simulator(settings.ISALES) if settings.ISALES.demo else settings.ISALES
    own = VdnCredentials.objects.filter(vdn=vdn).first() if vdn.keys_version else None
    if own is not None:
        found = _with_own_keys(found, own)
    config = TransportConfig(
        base_url=found.base_url,
        credentials=Credentials(found.access_key, found.secret_key),
        ca_bundle=found.ca_bundle or None,
        connect_timeout=found.connect_timeout,
        read_timeout=found.read_timeout,
        deadline=found.deadline,
        slow_timeout=found.call_data_timeout,
        obs=found.obs,
    )
    if not retries:
        config = replace(config, attempts=1)
    return Client(config, observer=observer, store=DatabaseTokenStore(found))


def _with_own_keys(found: ISalesSettings, own: VdnCredentials) -> ISalesSettings:
    try:
        keys: dict[str, Any] = {name: own.get_key(name) for name in own.names}
    except DecryptionFailed:
        raise KeysUnreadable(_OWN_KEYS_UNREADABLE, maybe_sent=False) from None
    return replace(found, **keys)


def _use_simulator(found: ISalesSettings) -> ISalesSettings:
    """Return the settings with address and keys of the simulator."""
    return replace(
        found,
        base_url=_simulator_address(found),
        access_key=DEMO_ACCESS_KEY,
        secret_key=DEMO_SECRET_KEY,
        obs_base_url="",
        obs_auth="app",
        obs_auth_header="Authorization",
        token_url="",
        app_key=DEMO_APP_KEY,
        app_secret=DEMO_APP_SECRET,
    )


def _simulator_address(found: ISalesSettings) -> str:
    """Return the address of the simulator of `make run`, or of one embedded in this process."""
    global _simulator
    if settings.SIMULATOR_URL:
        return str(settings.SIMULATOR_URL)
    if _simulator is None:
        _simulator = Simulator(vdns=tuple(seed.id for seed in found.vdns))
        _simulator.start()
    return _simulator.base_url
