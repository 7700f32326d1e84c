"""From settings to the one `Client` of this process. Only services call it."""

from __future__ import annotations

import threading

import stamina.instrumentation
from django.conf import settings

from isales_proxy.client import Client, Credentials, TransportConfig
from isales_proxy.configuration import ISalesSettings, isales
from isales_proxy.observer import Observer
from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY, Simulator

_lock = threading.Lock()
_client: Client | None = None
_simulator: Simulator | None = None


def client() -> Client:
    """The client of this process, made at the first call and shared by all threads."""
    global _client
    with _lock:
        if _client is None:
            # The observer tells every attempt; stamina would tell each a second time.
            stamina.instrumentation.set_on_retry_hooks(())
            _client = Client(_config(isales()), observer=Observer())
        return _client


def close() -> None:
    """Let go of the client and of an embedded simulator; the next call starts anew."""
    global _client, _simulator
    with _lock:
        if _client is not None:
            _client.close()
        if _simulator is not None:
            _simulator.stop()
        _client = _simulator = None


def _config(found: ISalesSettings) -> TransportConfig:
    return TransportConfig(
        base_url=found.base_url or _simulator_address(found),
        credentials=Credentials(DEMO_ACCESS_KEY, DEMO_SECRET_KEY)
        if found.demo
        else Credentials(found.access_key, found.secret_key),
        ca_bundle=found.ca_bundle or None,
        connect_timeout=found.connect_timeout,
        read_timeout=found.read_timeout,
        deadline=found.deadline,
    )


def _simulator_address(found: ISalesSettings) -> str:
    """Where the simulator is: started by `make run`, else one embedded in this process."""
    global _simulator
    if settings.SIMULATOR_URL:
        return str(settings.SIMULATOR_URL)
    _simulator = Simulator(vdns=tuple(seed.id for seed in found.vdns))
    _simulator.start()
    return _simulator.base_url
