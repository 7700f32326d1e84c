"""`make bench`: what a list of 50 rows costs beside other ways to show them. See README.md."""

from __future__ import annotations

import argparse
import os
import shutil
import time

from bench import exports, mirror_lists, pages
from bench.report import Report
from bench.servers import list_cores, running


def main() -> None:
    """Measure everything and print the report; exit code 0 whether gates are met or not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, about a minute")
    parser.add_argument("--pages", action="store_true", help="a page beside its peers alone")
    parser.add_argument("--exports", action="store_true", help="the lines of the export alone")
    parser.add_argument("--mirror", action="store_true", help="the lists of the mirror alone")
    asked = parser.parse_args()
    if asked.mirror:
        mirror_lists.compare()
        return
    quick: bool = asked.quick
    began = time.monotonic()
    report = Report()
    measured, other = list_cores()
    if not shutil.which("taskset"):
        report.remarks.append("there is no taskset: nothing is bound to a core")
    elif measured == other:
        report.remarks.append("one core for all: vendor and clients compete with what is measured")
    # As for the product: other users of the machine must not read what it writes.
    os.umask(0o077)
    # Ours is the client: it must not compete with what is measured.
    os.sched_setaffinity(0, {other})
    with running() as stack:
        if not asked.exports:
            report.figures += pages.measure_pages(stack, rounds=8 if quick else 20)
        if asked.pages:
            report.figures += pages.measure_work(stack)
            report.print()
            return
        if not asked.exports:
            report.figures += pages.measure_wire(stack, rounds=5 if quick else 12)
            report.figures += pages.measure_load(
                stack, rounds=1 if quick else 3, seconds=3 if quick else 5
            )
        reading = {"rounds": 1, "rows": 6_000} if quick else {"rounds": 3, "rows": 12_000}
        report.figures.append(exports.measure_reading(stack, **reading))
        for kind in ("csv", "xlsx"):
            rows = 20_000 if quick else 100_000
            report.figures.append(exports.measure_memory(stack, kind, rows=rows))
        if not asked.exports:
            report.figures += pages.measure_weight(stack)
            report.figures += pages.measure_work(stack)
    load = os.getloadavg()[0]
    report.remarks.append(
        f"{time.monotonic() - began:.0f} s in all; load average of the last minute {load:.1f}, "
        "of which this run makes about 1.5"
    )
    report.print()


if __name__ == "__main__":
    main()
