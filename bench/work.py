"""Work inside a process of the product: count the work of a fragment, read all rows, fill a mirror.

Run by `bench.exports`, `bench.pages` and `bench.servers` as `python -m bench.work fragment PATH`,
`reading ROUNDS` or `mirror VDN ROWS`; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import django

LIST_PATH: Final = "/vdn/88/reservations/"


def main() -> None:
    """Do what the first argument says."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    django.setup()
    works: dict[str, Callable[..., dict[str, Any]]] = {
        "fragment": count_work,
        "reading": time_reading,
        "mirror": fill_mirror,
    }
    print(json.dumps(works[sys.argv[1]](*sys.argv[2:])))


def fill_mirror(vdn: str, rows: str) -> dict[str, int]:
    """Fill the mirror of a VDN."""
    from bench import mirror_lists

    mirror_lists.fill(int(rows), int(vdn))
    return {"rows": int(rows)}


def count_work(path: str) -> dict[str, float]:
    """Count the queries and the Python function calls of a fragment of 50 rows."""
    from django.db import connection
    from django.test import Client

    from isales_proxy.models import User
    from isales_proxy.vendor import gateway

    browser = Client(headers={"HX-Request": "true"}, HTTP_HOST="127.0.0.1")
    browser.force_login(User.objects.get(username="bench"))

    def get(page: int) -> None:
        answer = browser.get(f"{path}&page={page}")
        if answer.status_code != 200:
            raise RuntimeError(f"the list answered {answer.status_code}")

    # What is made once for each process is not counted.
    for page in range(3):
        get(100 + page)
    queries: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        queries.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        get(110)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    get(111)
    sys.setprofile(None)
    gateway.close()
    return {"queries": len(queries), "calls": calls}


def time_reading(rounds: str) -> dict[str, Any]:
    """Time the reading of all rows with 8 pages ahead and with one, in turn, in seconds."""
    from isales_proxy import access
    from isales_proxy.client.queries import ReservationQuery
    from isales_proxy.models import User
    from isales_proxy.reservations import services
    from isales_proxy.vendor import gateway

    read_all = getattr(services, "read_all", None)
    if read_all is None:
        return {"missing": "reservations.services.read_all is not there"}
    scope = access.enter(user=User.objects.get(username="bench"), vdn_id=88)
    taken: dict[str, list[float]] = {"ahead": [], "sequential": []}
    rows = 0
    # The first call opens the connection.
    next(iter(read_all(scope=scope, query=ReservationQuery(), pages_ahead=1).pages))
    for _ in range(int(rounds)):
        for name, pages_ahead in (("ahead", 8), ("sequential", 1)):
            began = time.perf_counter()
            found = read_all(scope=scope, query=ReservationQuery(), pages_ahead=pages_ahead)
            rows = sum(len(page) for page in found.pages)
            taken[name].append(time.perf_counter() - began)
    gateway.close()
    return {**taken, "rows": rows}


if __name__ == "__main__":
    main()
