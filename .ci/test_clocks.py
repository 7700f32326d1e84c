"""Run the suite at moments that break programs: `make test-clock [CLOCKS="…"] [ARGS="…"]`.

Each run has its clock shifted forward by time-machine, in pytest and in every Python process that
it starts (.ci/clock), and in the pages of the browser. PostgreSQL, Redis, file times and intervals
(`time.monotonic`) keep the true time.
"""

from __future__ import annotations

import argparse
import calendar
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# The folder of `sitecustomize`, which Python imports at every start.
SHIFT: Final = ROOT / ".ci" / "clock"


def next_time(now: datetime, hour: int, minute: int) -> datetime:
    """The next moment, at least an hour ahead, at which a clock in UTC shows `hour:minute`."""
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while moment < now + timedelta(hours=1):
        moment += timedelta(days=1)
    return moment


def last_sunday(year: int, month: int) -> int:
    """The day of the month on which Europe changes its clocks, at 01:00 UTC."""
    days = calendar.monthrange(year, month)[1]
    return days - (calendar.weekday(year, month, days) - calendar.SUNDAY) % 7


def clocks(now: datetime) -> Iterator[tuple[str, datetime]]:
    """Name and beginning, UTC, of each run. All are ahead of `now`: no certificate is too young."""
    yield "00:05", next_time(now, 0, 5)
    yield "11:55", next_time(now, 11, 55)
    yield "23:55", next_time(now, 23, 55)
    # Just before midnight in the zone of the tests' VDN, Asia/Shanghai.
    yield "vdn-midnight", next_time(now, 15, 55)
    leap = now.year + 1
    while not calendar.isleap(leap):
        leap += 1
    yield "29-february", datetime(leap, 2, 29, 12, 5, tzinfo=UTC)
    # The end of a month that is the end of a year, too.
    yield "month-end", datetime(now.year + 1, 12, 31, 23, 50, tzinfo=UTC)
    for name, month in (("spring", 3), ("autumn", 10)):
        day = last_sunday(now.year + 1, month)
        yield name, datetime(now.year + 1, month, day, 0, 50, tzinfo=UTC)


def run(name: str, begin: datetime, arguments: list[str]) -> int:
    """Run pytest as if it were `begin`; the exit status is that of pytest."""
    ahead = int((begin - datetime.now(UTC)).total_seconds())
    print(f"== {name}: from {begin:%Y-%m-%d %H:%M} UTC on", flush=True)  # noqa: T201
    path = os.pathsep.join(filter(None, (str(SHIFT), os.environ.get("PYTHONPATH"))))
    clock = {"PYTHONPATH": path, "CALLBOARD_TEST_CLOCK": str(ahead)}
    # It is a plugin of pytest as well, and was imported before pytest was.
    known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    command = [sys.executable, "-m", "pytest", "-W", known, *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | clock, check=False).returncode  # noqa: S603


def main() -> int:
    """Run at the clocks that were named, or at all; say which were not green."""
    found = dict(clocks(datetime.now(UTC)))
    parser = argparse.ArgumentParser(description="Run the tests at awkward moments.")
    parser.add_argument("--clock", action="append", choices=[*found], help="repeatable; all")
    ours, arguments = parser.parse_known_args()
    wanted = ours.clock or [*found]
    failed = [name for name in wanted if run(name, found[name], arguments)]
    print(f"== {len(wanted) - len(failed)} of {len(wanted)} clocks are green", *failed)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
