"""Fixtures of the API doctor's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from isales_proxy import access
from isales_proxy.access import Scope
from isales_proxy.models import User
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    Simulator,
)


@pytest.fixture
def scope(people: dict[str, User]) -> Scope:
    return access.enter(user=people["admin"], vdn_id=88)


@pytest.fixture
def simulated(settings: Any) -> Iterator[Callable[..., Simulator]]:
    """Function that starts a simulator with options and uses it as the vendor."""
    running: list[Simulator] = []

    def start(**options: Any) -> Simulator:
        simulator = Simulator(**{"rows": 60, **options}).start()
        running.append(simulator)
        settings.ISALES = replace(
            settings.ISALES,
            base_url=simulator.base_url,
            access_key=DEMO_ACCESS_KEY,
            secret_key=DEMO_SECRET_KEY,
            app_key=DEMO_APP_KEY,
            app_secret=DEMO_APP_SECRET,
        )
        return simulator

    yield start
    for simulator in running:
        simulator.stop()
