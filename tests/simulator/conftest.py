"""A small simulator with a frozen clock, and signed and token requests to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from isales_proxy.simulator import Simulator
from tests.support.obs_http import ObsHttp
from tests.support.signed_http import SignedHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(rows=300, now=lambda: NOW) as running:
        yield running


@pytest.fixture
def http(simulator: Simulator) -> Iterator[SignedHttp]:
    with SignedHttp(simulator.base_url, NOW) as signed:
        yield signed


@pytest.fixture
def obs(simulator: Simulator) -> Iterator[ObsHttp]:
    with ObsHttp(simulator.base_url, NOW) as http:
        yield http
