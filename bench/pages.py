"""Figures of one page: against the peers and nginx, repeated, under load, and its weight."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from itertools import count
from typing import Final
from urllib.parse import urljoin

from bench.load import Load, find_wrk, probing, run_load
from bench.measure import Answer, Browser, NotAvailable, Way, cpu_seconds, divide, take_rounds
from bench.report import Figure, Gate
from bench.servers import VAR, Stack, run_module
from bench.vendor_rows import VENDOR_PATH
from bench.work import LIST_PATH

ROWS: Final = 50
VENDOR_MS: Final = 50
MANY_ROWS: Final = 100_000
_API_PATH: Final = "/api/v1/vdns/88/reservations/"
_PACKED: Final = {"Accept-Encoding": "gzip, deflate, br"}
# Requests/s at 64 connections before the list was made fast, at commit ddd0c7f, times the seconds
# that the naive page took then: so the figure holds on a machine of another speed. See README.md.
BEFORE_AT_64: Final = 0.31
_ASSET: Final = re.compile(r'(?:href|src)="(/static/[^"#?]+)')
_FONT: Final = re.compile(r"url\([\"']?(?!data:)([^)\"'#?]+\.woff2?)")

_NAIVE: Final = Gate(">=", 3)
_ADMIN: Final = Gate(">=", 8)
_NGINX: Final = Gate("<=", 1.25)
_DRF: Final = Gate(">=", 1.3)
_FASTER: Final = Gate(">=", 6)
_STEADY: Final = Gate(">=", 0.9)
_REPEATED: Final = Gate("<=", 0.5)
_UNCHANGED: Final = Gate("<=", 0.15)
_FRAGMENT_BYTES: Final = Gate("<=", 6)
_VISIT_BYTES: Final = Gate("<=", 60)
_QUERIES: Final = Gate("<=", 5)


class ListReader:
    """Somebody logged in who reads the list, each page of it once unless said otherwise."""

    # No page is asked for twice within the cache time by anybody.
    _pages = count(1)

    def __init__(self, stack: Stack) -> None:
        self._worker = stack.worker
        self._browser = Browser(stack.product, _fragment_headers(stack))
        self.cpu: dict[str, list[float]] = {}

    @classmethod
    def next_page(cls, path: str = LIST_PATH) -> str:
        """Return the address of a page that nobody has asked for."""
        return f"{path}?size={ROWS}&page={next(cls._pages)}"

    def get(self, address: str) -> Answer:
        """Get a fragment. Raises NotAvailable for another status."""
        return self._browser.get(address)

    def fresh(self) -> float:
        """Read a page that the vendor must be asked for."""
        return self._measured("fresh", lambda: self.get(self.next_page()))

    def repeated(self) -> float:
        """Read a page that was read just now."""
        address = self.next_page()
        self.get(address)
        return self.get(address).seconds

    def unchanged(self) -> float:
        """Ask whether a page that was read just now has changed. Raises NotAvailable."""
        address = self.next_page()
        etag = self.get(address).headers.get("etag")
        if etag is None:
            raise NotAvailable("the fragment carries no ETag")
        question = {"If-None-Match": etag}
        return self._measured(
            "unchanged", lambda: self._browser.get(address, status=304, headers=question)
        )

    def _measured(self, name: str, ask: Callable[[], Answer]) -> float:
        before = cpu_seconds(self._worker)
        seconds = ask().seconds
        self.cpu.setdefault(name, []).append(cpu_seconds(self._worker) - before)
        return seconds


def measure_pages(stack: Stack, *, rounds: int) -> list[Figure]:
    """Measure the list against its peers at a vendor of 0 ms, and its repeats."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    reader = ListReader(stack)
    peers = Browser(stack.peers, {"Cookie": stack.peers_cookie, **_PACKED})
    api = Browser(stack.product, {"Cookie": stack.product_cookie, **_PACKED})
    pages = count(1)

    def peer(path: str, page: str = "page") -> Way:
        return lambda: peers.get(f"{path}?{page}={next(pages) % 200 + 1}").seconds

    ways: dict[str, Way] = {
        "fragment": reader.fresh,
        "naive": peer("/naive/"),
        "admin": peer("/admin/peers/reservation/", "p"),
        "tables2": peer("/table/"),
        "drf": peer("/api/"),
        "json": lambda: api.get(reader.next_page(_API_PATH)).seconds,
        "repeated": reader.repeated,
        "unchanged": reader.unchanged,
    }
    taken, missing = take_rounds(ways, rounds=rounds, batch=4)

    def ratio(name: str, above: str, below: str, gate: Gate | None) -> Figure:
        why = missing.get(above) or missing.get(below)
        if why:
            return Figure(name, gate=gate, note=why)
        note = f"{_ms(taken[above])} to {_ms(taken[below])}"
        return Figure(name, divide(taken[above], taken[below]), gate, note=note)

    return [
        ratio("naive page / fragment, vendor 0 ms", "naive", "fragment", _NAIVE),
        ratio("Django admin change list / fragment", "admin", "fragment", _ADMIN),
        ratio("django-tables2 page / fragment", "tables2", "fragment", None),
        ratio("DRF model list / our JSON list", "drf", "json", _DRF),
        ratio("same question in cache time / fragment", "repeated", "fragment", _REPEATED),
        _measure_unchanged(reader, missing.get("unchanged")),
    ]


def _measure_unchanged(reader: ListReader, missing: str | None) -> Figure:
    name = "304 / fragment, CPU"
    if missing:
        return Figure(name, gate=_UNCHANGED, note=missing)
    whole, unchanged = reader.cpu["fresh"], reader.cpu["unchanged"]
    ratios = divide(unchanged, whole[: len(unchanged)])
    return Figure(name, ratios, _UNCHANGED, note=f"{_ms(unchanged)} to {_ms(whole)} of CPU")


def measure_wire(stack: Stack, *, rounds: int) -> list[Figure]:
    """Measure the list against nginx as a bare proxy of the same vendor answer."""
    name = f"fragment / nginx, vendor {VENDOR_MS} ms, one connection"
    if not stack.nginx:
        return [Figure(name, gate=_NGINX, note="there is no nginx: apt-get install nginx")]
    stack.set_vendor(latency_ms=VENDOR_MS, rows=MANY_ROWS)
    reader, proxy, pages = ListReader(stack), Browser(stack.nginx), count(1)

    def pass_through() -> float:
        body = json.dumps({"offset": next(pages) * ROWS, "limit": ROWS}).encode()
        answer = proxy.ask(VENDOR_PATH, method="POST", body=body)
        if answer.status != 200:
            raise NotAvailable(f"nginx answers {answer.status}")
        return answer.seconds

    ways: dict[str, Way] = {"fragment": reader.fresh, "nginx": pass_through}
    taken, missing = take_rounds(ways, rounds=rounds, batch=4)
    if missing:
        return [Figure(name, gate=_NGINX, note="; ".join(missing.values()))]
    note = f"{_ms(taken['fragment'])} to {_ms(taken['nginx'])}"
    return [Figure(name, divide(taken["fragment"], taken["nginx"]), _NGINX, note=note)]


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
    """Return the median seconds of the naive page at a vendor of 0 ms."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    browser = Browser(stack.peers, {"Cookie": stack.peers_cookie})
    return statistics.median(browser.get("/naive/").seconds for _ in range(20))


def measure_weight(stack: Stack) -> list[Figure]:
    """Measure the bytes of a fragment and of a first visit as sent, bodies alone."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    reader = ListReader(stack)
    answers = [reader.get(reader.next_page()) for _ in range(5)]
    encoding = answers[0].headers.get("content-encoding", "not compressed")
    sizes = [len(each.body) / 1000 for each in answers]
    visit = _visit(stack, reader.next_page())
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
    """Count the queries and Python calls of a fragment."""
    stack.set_vendor(latency_ms=0, rows=MANY_ROWS)
    found = json.loads(run_module(["bench.work", "fragment"], stack.env))
    return [
        Figure("queries of a fragment", [found["queries"]], _QUERIES, digits=0),
        Figure("Python function calls of a fragment", [found["calls"]], digits=0),
    ]


def _fragment_headers(stack: Stack) -> dict[str, str]:
    return {"Cookie": stack.product_cookie, "HX-Request": "true", **_PACKED}


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms"
