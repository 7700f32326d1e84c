"""Random schedules of changes and faults; `make soak` plays thousands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from isales_proxy.mirror import names, rounds, sweeps
from isales_proxy.models import Vdn
from isales_proxy.vendor import call_budget
from tests.support.mirror_schedules import plan_few_leaves, run_schedule

SEEDS = int(os.environ.get("MIRROR_SEEDS", "300"))
FIRST_SEED = int(os.environ.get("MIRROR_FIRST_SEED", "0"))
# Seeds of one test: fewer, and each takes less than a minute.
GROUP = 50


@pytest.fixture(autouse=True)
def _short() -> Iterator[None]:
    """Take a third of the time: plan fewer empty leaves, idle for longer, count calls rarely, and
    remember names at once, since the transaction of a test is never committed."""
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(rounds, "plan_leaves", plan_few_leaves))
        patches.enter_context(mock.patch.object(sweeps, "_MAX_IDLE_S", 4.0))
        patches.enter_context(mock.patch.object(call_budget, "_STORE_INTERVAL_S", 600.0))
        patches.enter_context(mock.patch.object(names.transaction, "on_commit", lambda run: run()))
        yield


@pytest.mark.thorough
@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, GROUP))
def test_mirror_equals_the_vendor_after_random_changes_and_faults(vdn: Vdn, first: int) -> None:
    faults = {
        seed: fault
        for seed in range(first, min(first + GROUP, FIRST_SEED + SEEDS))
        if (fault := run_schedule(vdn, seed))
    }
    assert faults == {}
