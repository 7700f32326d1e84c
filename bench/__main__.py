"""What a page costs beside the vendor call that it cannot do without. Run by `make bench`.

The ways to the same 50 rows are taken in turn, A B C D A B C D …, so that a machine whose speed
drifts slows all of them alike; medians and their ratio to the bare call are printed.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable

ROUNDS = 60
ROWS = 50


def main() -> None:
    """Print one line for each way."""
    with tempfile.TemporaryDirectory() as var:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "VAR_DIR": var,
            "CALLBOARD_ENV_FILE": "",
            "ISALES_PAGE_CACHE_SECONDS": "0",
        }
        import django

        django.setup()
        ways = _ways()
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS + 5):
            for name, way in ways.items():
                began = time.perf_counter()
                way(number)
                if number >= 5:
                    taken[name].append((time.perf_counter() - began) * 1000)
        from isales_proxy.vendor import gateway

        gateway.close()
    medians = {name: statistics.median(values) for name, values in taken.items()}
    base = next(iter(medians.values()))
    print(f"{ROWS} rows, {ROUNDS} rounds, medians")
    for name, median in medians.items():
        print(f"  {name:<44} {median:7.2f} ms   {median / base:5.2f} ×")


def _ways() -> dict[str, Callable[[int], None]]:
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    from isales_proxy.client.queries import ReservationQuery
    from isales_proxy.models import Access, Role, User, Vdn
    from isales_proxy.vendor import gateway

    setup_test_environment()
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("bench")
    Access.objects.create(user=user, vdn_id=88, role=Role.SUPERVISOR)
    browser = Client()
    browser.force_login(user)
    address = "/vdn/88/reservations/"
    browser.get(address)

    vdn = Vdn.objects.get(pk=88)

    def bare(number: int) -> None:
        query = ReservationQuery(page=number + 1, size=ROWS)
        gateway.get_client(vdn).list_reservations(vdn=88, query=query)

    def get(path: str, number: int, **headers: str) -> None:
        answer = browser.get(path, {"page": number + 1, "size": ROWS}, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")

    return {
        "the vendor call alone (signed, sent, parsed)": bare,
        "the fragment: the call, scope, cells, markup": lambda n: get(
            address, n, **{"HX-Request": "true"}
        ),
        "the whole page": lambda n: get(address, n),
        "the JSON of the same rows": lambda n: get("/api/v1/vdns/88/reservations/", n),
    }


if __name__ == "__main__":
    main()
