"""Figures of one page: against the peers and nginx, repeated, under load, and its weight."""

from __future__ import annotations

import json
import re
import statistics
import time
from dataclasses import replace
from itertools import count
from typing import Final
from urllib.parse import urljoin

from bench.load import Load, find_wrk, probing, run_load
from bench.measure import Answer, Browser, NotAvailable, Taken, Way, divide, take_rounds
from bench.report import Figure, Gate
from bench.servers import MIRROR_VDN, VAR, Stack, run_module
from bench.vendor_rows import VENDOR_PATH
from bench.work import LIST_PATH

ROWS: Final = 50
VENDOR_MS: Final = 50
MANY_ROWS: Final = 100_000
_API_PATH: Final = "/api/v1/vdns/88/reservations/"
_MIRROR_LIST: Final = f"/vdn/{MIRROR_VDN}/reservations/?source=mirror&tab=all&size={ROWS}"
_LIVE_LIST: Final = f"{LIST_PATH}?size={ROWS}"
_PACKED: Final = {"Accept-Encoding": "gzip, deflate, br"}
# Requests/s at 64 connections before the list was made fast, at commit ddd0c7f, times the seconds
# that the naive page took then: so the figure holds on a machine of another speed. See README.md.
BEFORE_AT_64: Final = 0.32
# A question and the one that repeats it fit into the rest of the minute.
_LATE_SECOND: Final = 59.0
_ASSET: Final = re.compile(r'(?:href|src)="(/static/[^"#?]+)')
_FONT: Final = re.compile(r"url\([\"']?(?!data:)([^)\"'#?]+\.woff2?)")

_NAIVE: Final = Gate(">=", 3)
_ADMIN: Final = Gate(">=", 8)
_NGINX: Final = Gate("<=", 1.25)
_DRF: Final = Gate(">=", 1.3)
_FASTER: Final = Gate(">=", 6)
_STEADY: Final = Gate(">=", 0.9)
_CACHED: Final = Gate("<=", 0.5)
_UNCHANGED: Final = Gate("<=", 0.15)
_FRAGMENT_BYTES: Final = Gate("<=", 6)
_VISIT_BYTES: Final = Gate("<=", 60)
_QUERIES: Final = Gate("<=", 5)


# No page is asked for twice within the cache time.
_pages = count(1)


def measure_pages(stack: Stack, *, rounds: int) -> list[Figure]:
    """Measure the list against its peers at a vendor of 0 ms, and its repeats."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    ways = {
        "fragment": _read_list(stack),
        "mirror": _read_mirror(stack),
        "naive": _read_peer(stack, "/naive/"),
        "admin": _read_peer(stack, "/admin/peers/reservation/", "p"),
        "tables2": _read_peer(stack, "/table/"),
        "drf": _read_peer(stack, "/api/"),
        "json": _read_api(stack),
        "repeated": _repeat(stack),
        "unchanged": _revalidate(stack),
    }
    taken = take_rounds(ways, rounds=rounds, batch=4)
    unchanged = "304 / fragment, CPU"
    of_mirror = "naive page / fragment of the mirror"
    return [
        _compare("naive page / fragment, vendor 0 ms", taken, "naive", "fragment", _NAIVE),
        _compare(of_mirror, taken, "naive", "mirror", _NAIVE),
        _compare("Django admin change list / fragment", taken, "admin", "fragment", _ADMIN),
        _compare("django-tables2 page / fragment", taken, "tables2", "fragment", None),
        _compare("DRF model list / our JSON list", taken, "drf", "json", _DRF),
        _compare("same question in cache time / fragment", taken, "repeated", "fragment", _CACHED),
        _compare(unchanged, taken, "unchanged", "fragment", _UNCHANGED, by_cpu=True),
    ]


def _compare(
    name: str,
    taken: dict[str, Taken],
    above: str,
    below: str,
    gate: Gate | None,
    *,
    by_cpu: bool = False,
) -> Figure:
    """Divide two ways round by round; the note has medians and the ratio of the server's CPU."""
    first, second = taken[above], taken[below]
    if missing := first.missing or second.missing:
        return Figure(name, gate=gate, note=missing)
    by_wire, of_cpu = divide(first.wire, second.wire), divide(first.cpu, second.cpu)
    note = f"{_ms(first.wire)} to {_ms(second.wire)}"
    note += f"; CPU {_ms(first.cpu)} to {_ms(second.cpu)}"
    ratios = of_cpu if by_cpu else by_wire
    return Figure(name, ratios, gate, note=note, by_cpu=statistics.median(of_cpu))


def _read_list(stack: Stack) -> Way:
    """Read pages of the list that the vendor must be asked for."""
    browser = Browser(stack.product, _fragment_headers(stack))
    return Way(lambda: browser.get(_next_page()), stack.worker)


def _read_mirror(stack: Stack) -> Way:
    """Read pages of the complete list, numbered up to row 10,000."""
    browser, pages = Browser(stack.product, _fragment_headers(stack)), count(1)
    return Way(lambda: browser.get(f"{_MIRROR_LIST}&page={next(pages) % 199 + 1}"), stack.worker)


def _read_api(stack: Stack) -> Way:
    browser = Browser(stack.product, {"Cookie": stack.product_cookie, **_PACKED})
    return Way(lambda: browser.get(_next_page(_API_PATH)), stack.worker)


def _read_peer(stack: Stack, path: str, parameter: str = "page") -> Way:
    browser = Browser(stack.peers, {"Cookie": stack.peers_cookie, **_PACKED})
    pages = count(1)
    return Way(
        lambda: browser.get(f"{path}?{parameter}={next(pages) % 200 + 1}"), stack.peers_worker
    )


def _repeat(stack: Stack) -> Way:
    """Read a page of the list that was read just now."""
    browser = Browser(stack.product, _fragment_headers(stack))
    address = ""

    def prepare() -> None:
        nonlocal address
        address = _next_page()
        browser.get(address)

    return Way(lambda: browser.get(address), stack.worker, prepare)


def _revalidate(stack: Stack) -> Way:
    """Ask whether a page that was read just now has changed."""
    browser = Browser(stack.product, _fragment_headers(stack))
    address, question = "", dict[str, str]()

    def prepare() -> None:
        nonlocal address, question
        # What is shown may hold the minute, which is not to end in between.
        if time.time() % 60 > _LATE_SECOND:
            time.sleep(60 - _LATE_SECOND)
        address = _next_page()
        etag = browser.get(address).headers.get("etag")
        if etag is None:
            raise NotAvailable("the fragment carries no ETag")
        question = {"If-None-Match": etag}

    return Way(lambda: browser.get(address, status=304, headers=question), stack.worker, prepare)


def measure_wire(stack: Stack, *, rounds: int) -> list[Figure]:
    """Measure the list against nginx as a bare proxy of the same vendor answer."""
    name = f"fragment / nginx, vendor {VENDOR_MS} ms, one connection"
    if not stack.nginx:
        return [Figure(name, gate=_NGINX, note="there is no nginx: apt-get install nginx")]
    stack.set_vendor(latency_ms=VENDOR_MS, rows=MANY_ROWS)
    proxy, pages = Browser(stack.nginx), count(1)

    def pass_through() -> Answer:
        body = json.dumps({"offset": next(pages) * ROWS, "limit": ROWS}).encode()
        return proxy.get(VENDOR_PATH, method="POST", body=body)

    ways = {"fragment": _read_list(stack), "nginx": Way(pass_through, stack.nginx_worker)}
    taken = take_rounds(ways, rounds=rounds, batch=4)
    # Both wait for the vendor: their CPU tells nothing.
    return [replace(_compare(name, taken, "fragment", "nginx", _NGINX), by_cpu=None)]


def measure_load(stack: Stack, *, rounds: int, seconds: int) -> list[Figure]:
    """Measure requests per second at 8 and 64 connections in turn, and /healthz meanwhile."""
    loads: dict[int, list[Load]] = {8: [], 64: []}
    health: list[float] = []
    before: list[float] = []
    first_page = 1_000
    for _ in range(rounds):
        before.append(BEFORE_AT_64 / _time_naive(stack))
        stack.set_vendor(latency_ms=VENDOR_MS, rows=MANY_ROWS)
        for connections, found in loads.items():
            with probing(stack.product, "/healthz") as taken:
                load = run_load(
                    stack.product,
                    LIST_PATH,
                    _fragment_headers(stack),
                    connections=connections,
                    seconds=seconds,
                    first_page=first_page,
                    folder=VAR,
                )
            found.append(load)
            first_page = (first_page + load.answered + load.refused + 64) % 1_900 or 1
            if connections == 64:
                health += taken
    few, many = ([load.per_second for load in loads[number]] for number in (8, 64))
    refused = sum(load.refused for load in loads[64])
    broken = sum(load.broken for load in loads[64])
    tool = "wrk" if find_wrk() else "threads of Python, since there is no wrk"
    note = f"by {tool}; {refused} refused, {broken} broken in {rounds} x {seconds} s at 64"
    return [
        Figure("requests/s at 8 connections", few, digits=1),
        Figure("requests/s at 64 connections", many, digits=1, note=note),
        Figure(
            "requests/s at 64 / before",
            divide(many, before),
            _FASTER,
            note=f"before: {statistics.median(before):.1f}/s on this machine",
        ),
        Figure("requests/s at 64 / at 8", divide(many, few), _STEADY),
        Figure(
            "/healthz at 64 connections", [each * 1000 for each in health], unit=" ms", digits=0
        ),
    ]


def _time_naive(stack: Stack) -> float:
    """Return the seconds of the fastest of some naive pages at a vendor of 0 ms."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    browser = Browser(stack.peers, {"Cookie": stack.peers_cookie})
    return min(browser.get("/naive/").seconds for _ in range(20))


def measure_weight(stack: Stack) -> list[Figure]:
    """Measure the bytes of a fragment and of a first visit as sent, bodies alone."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    read = _read_list(stack).ask
    answers = [read() for _ in range(5)]
    encoding = answers[0].headers.get("content-encoding", "not compressed")
    sizes = [len(each.body) / 1000 for each in answers]
    visit = _visit(stack, _next_page())
    return [
        Figure(
            "fragment of 50 rows, as sent", sizes, _FRAGMENT_BYTES, " kB", digits=1, note=encoding
        ),
        Figure(
            "first visit, page and all assets",
            [sum(visit.values()) / 1000],
            _VISIT_BYTES,
            " kB",
            digits=1,
            note=", ".join(f"{path} {size / 1000:.1f}" for path, size in visit.items()),
        ),
    ]


def _visit(stack: Stack, address: str) -> dict[str, int]:
    """Get a page and what it refers to; returns the bytes of each body, by its last name."""
    plain = Browser(stack.product, {"Cookie": stack.product_cookie})
    packed = Browser(stack.product, {"Cookie": stack.product_cookie, **_PACKED})
    page = plain.get(address).body.decode()
    sizes = {"page": len(packed.get(address).body)}
    for asset in dict.fromkeys(_ASSET.findall(page)):
        sizes[asset.rpartition("/")[2]] = len(packed.get(asset).body)
        if asset.endswith(".css"):
            for font in _FONT.findall(plain.get(asset).body.decode()):
                sizes[font.rpartition("/")[2]] = len(packed.get(urljoin(asset, font)).body)
    return sizes


def measure_work(stack: Stack) -> list[Figure]:
    """Count the queries and Python calls of a fragment from either source."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    figures = []
    for name, path in (("fragment", _LIVE_LIST), ("fragment of the mirror", _MIRROR_LIST)):
        found = json.loads(run_module(["bench.work", "fragment", path], stack.env))
        figures += [
            Figure(f"queries of a {name}", [found["queries"]], _QUERIES, digits=0),
            Figure(f"Python function calls of a {name}", [found["calls"]], digits=0),
        ]
    return figures


def _next_page(path: str = LIST_PATH) -> str:
    return f"{path}?size={ROWS}&page={next(_pages)}"


def _fragment_headers(stack: Stack) -> dict[str, str]:
    return {"Cookie": stack.product_cookie, "HX-Request": "true", **_PACKED}


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms"
