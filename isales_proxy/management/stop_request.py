"""A request to stop that signal handlers may make: they take no lock.

`threading.Event.set` takes one, and a second signal in the middle of it would wait for ever for the
first, on the same thread.
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
    """Made once, by a signal or by hand, and waited for by one thread or more.

    The byte in the pipe is never read, so that whoever waits later is woken at once.
    """

    def __init__(self) -> None:
        self._made = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def make(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for the end; fit to be a signal handler, however many signals come at once."""
        self._made = True
        # A full pipe wakes everybody, too.
        with suppress(OSError):
            os.write(self._writer, b"\0")

    def is_made(self) -> bool:
        """Tell whether the end was asked for."""
        return self._made

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the end is asked for, at most so many seconds; gives whether it was."""
        if not self._made:
            select.select([self._reader], [], [], seconds)
        return self._made

    def on_signals(self, numbers: Iterable[signal.Signals] = STOPPING) -> None:
        """Have these signals ask for the end."""
        # The interpreter restores the default at its very end, where a late one would kill it.
        atexit.register(ignore_signals, numbers)
        for number in numbers:
            signal.signal(number, self.make)

    def close(self) -> None:
        """Let go of the pipe; what was asked for stays known."""
        os.close(self._reader)
        os.close(self._writer)


def ignore_signals(numbers: Iterable[signal.Signals] = STOPPING) -> None:
    """Ignore further requests of a process that is ending already."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
