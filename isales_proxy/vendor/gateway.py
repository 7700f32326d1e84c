"""From settings and a VDN's own keys to the `Client` of this process. Only services call it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

import stamina.instrumentation
from django.conf import settings

from isales_proxy.client import Client, Credentials, KeysUnreadable, TransportConfig
from isales_proxy.client.observer import Observer as ClientObserver
from isales_proxy.core.encryption import DecryptionFailed
from isales_proxy.core.metrics import Observer
from isales_proxy.core.settings import ISalesSettings, get_isales_settings
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

_OWN_KEYS_CLOSED: Final = "The VDN's own keys cannot be opened with this SECRET_KEY."


@dataclass(frozen=True)
class _Made:
    """A client, and the version of the VDN's own keys that it was made with."""

    client: Client
    version: int


_lock = threading.Lock()
# By VDN; None is for all that never had keys of their own.
_clients: dict[int | None, _Made] = {}
_simulator: Simulator | None = None
# Whether the database is known to be one of a real CC-iSales, which it then stays.
_in_real_use = False


def get_client(vdn: Vdn) -> Client:
    """The client for a VDN, shared by all threads: with its own keys where it has some.

    Raises KeysUnreadable when those were sealed with another `SECRET_KEY`, and SimulatorRefused
    where the simulator would stand in on a database of a real CC-iSales.
    """
    ensure_allowed()
    key = vdn.pk if vdn.keys_version else None
    with _lock:
        made = _clients.get(key)
        if made is None or made.version != vdn.keys_version:
            if made is not None:
                made.client.close()
            made = _clients[key] = _Made(_new(vdn, Observer()), vdn.keys_version)
        return made.client


def create_diagnostic_client(vdn: Vdn, observer: ClientObserver) -> Client:
    """A client like that of the VDN, for one examination: its circuits are closed, its calls are
    told to `observer`, none is repeated, and the caller closes it. Raises like `client`."""
    ensure_allowed()
    with _lock:
        return _new(vdn, observer, repeating=False)


def close() -> None:
    """Let go of the clients and of an embedded simulator; the next call starts anew."""
    global _simulator, _in_real_use
    _in_real_use = False
    with _lock:
        for made in _clients.values():
            made.client.close()
        _clients.clear()
        if _simulator is not None:
            _simulator.stop()
        _simulator = None


def ensure_allowed() -> None:
    """Note with which vendor this database is used. A demo looks each time, since the database may
    become a real one at any time.

    Raises SimulatorRefused and django.db.Error; see `vendor_use.check`.
    """
    global _in_real_use
    if get_isales_settings().demo:
        vendor_use.check()
    elif not _in_real_use:
        vendor_use.check()
        _in_real_use = True


def _new(vdn: Vdn, observer: ClientObserver, *, repeating: bool = True) -> Client:
    # The observer tells every attempt; stamina would tell each a second time.
    stamina.instrumentation.set_on_retry_hooks(())
    found = _in_demo(get_isales_settings()) if get_isales_settings().demo else get_isales_settings()
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
        patient_timeout=found.call_data_timeout,
        obs=found.obs,
    )
    if not repeating:
        config = replace(config, attempts=1)
    return Client(config, observer=observer, shelf=DatabaseTokenStore(found))


def _with_own_keys(found: ISalesSettings, own: VdnCredentials) -> ISalesSettings:
    try:
        return replace(
            found,
            access_key=own.open("access_key") or found.access_key,
            secret_key=own.open("secret_key") or found.secret_key,
            app_key=own.open("app_key") or found.app_key,
            app_secret=own.open("app_secret") or found.app_secret,
            token=own.open("token") or found.token,
        )
    except DecryptionFailed:
        raise KeysUnreadable(_OWN_KEYS_CLOSED, maybe_sent=False) from None


def _in_demo(found: ISalesSettings) -> ISalesSettings:
    """The settings with the simulator in the vendor's place."""
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
    """Where the simulator is: started by `make run`, else one embedded in this process."""
    global _simulator
    if settings.SIMULATOR_URL:
        return str(settings.SIMULATOR_URL)
    if _simulator is None:
        _simulator = Simulator(vdns=tuple(seed.id for seed in found.vdns))
        _simulator.start()
    return _simulator.base_url
