"""A stop request that is safe to make in signal handlers, since it takes no lock.

`threading.Event.set` takes a lock: a second signal during it would deadlock on the same thread.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A stop request, made once; any number of threads may wait for it.

    The byte in the pipe is never read, so that later waits return at once.
    """

    def __init__(self) -> None:
        self._made = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def make(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Request the stop. Can be used as a signal handler."""
        self._made = True
        # A full pipe wakes the waiting threads as well.
        with suppress(OSError):
            os.write(self._writer, b"\0")

    def is_made(self) -> bool:
        return self._made

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the request, at most `seconds`; return whether it was made."""
        if not self._made:
            select.select([self._reader], [], [], seconds)
        return self._made

    def on_signals(self, numbers: Iterable[signal.Signals] = STOPPING) -> None:
        # Python restores the default handlers at its exit, where a late signal would kill it.
        atexit.register(ignore_signals, numbers)
        for number in numbers:
            signal.signal(number, self.make)

    def close(self) -> None:
        """Close the pipe; `is_made` still works."""
        os.close(self._reader)
        os.close(self._writer)


def ignore_signals(numbers: Iterable[signal.Signals] = STOPPING) -> None:
    """Ignore these signals in a process that is already stopping."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
