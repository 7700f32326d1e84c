"""Shift the clock of this Python process forward by `CALLBOARD_TEST_CLOCK` seconds.

`make test-clock` puts this folder into PYTHONPATH: Python imports a module of this name at every
start. Shifted is the time of day (`time.time`, `datetime.now` and their kin), which goes on
running; clocks for intervals (`time.monotonic`), sleeping and the times of files are true.
"""

from __future__ import annotations

import os
import time

import time_machine

if _seconds := int(os.environ.get("CALLBOARD_TEST_CLOCK", "0")):
    time_machine.travel(time.time() + _seconds, tick=True).start()
