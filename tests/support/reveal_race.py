"""The race for the daily budgets of one person; `manage.py shell` runs each step in a process."""

from __future__ import annotations

import os
import threading

from django.db import connection

from isales_proxy import access
from isales_proxy.client.queries import IntermediateResult
from isales_proxy.models import User, WriteBack
from isales_proxy.number_access import services as number_access
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reveals import services as reveals
from isales_proxy.write_backs import services as write_backs

NUMBER = "15800000001"
THREADS = 8


def prepare() -> None:
    """Queue the write-back whose number is revealed."""
    scope = access.enter(user=User.objects.get(username="maria"), vdn_id=88)
    result = IntermediateResult(
        vdn=88, cc_id=scope.vdn.cc_id, unique_id="u", service_id="1", phone_number=NUMBER
    )
    write_backs.queue_once(scope=scope, key="one", result=result)


def run() -> None:
    """Search for and reveal numbers in `THREADS` threads; print how many were revealed, refused and
    searched."""
    scope = access.enter(user=User.objects.get(username="maria"), vdn_id=88)
    pk = WriteBack.objects.get().pk
    revealed: list[str] = []
    refused: list[int] = []
    searched: list[str] = []
    start = threading.Barrier(THREADS)

    def spend(number: str) -> None:
        start.wait()
        try:
            number_access.count_search(scope, SearchedNumber.parse(number))
            searched.append(number)
        except number_access.DailySearchLimitExceeded:
            pass
        try:
            found = reveals.reveal_write_back(scope=scope, pk=pk, reason="a race")
            revealed.append(found.called[0])
        except reveals.BudgetSpent as error:
            refused.append(error.limit)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=spend, args=[f"{os.getpid()}0000{each}"]) for each in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(revealed.count(NUMBER), len(refused), len(searched))  # noqa: T201 – the test reads it
