"""Reservations that the vendor stub answers and that the peers keep in SQLite: the same rows."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from isales_proxy.simulator.demo_data import generate_reservations, result_codes

VDN: Final = 88
VENDOR_PATH: Final = "/rest/isales/v1/openapi/campaigns/88/appoint/list"
POOL: Final = 12_000
_ID: Final = "appointId"


def make_rows() -> list[dict[str, Any]]:
    """Make `POOL` reservations in the vendor's spelling, as they stand now."""
    now_ms = int(time.time() * 1000)
    return [row.shown_at(now_ms) for row in generate_reservations(VDN, POOL, now_ms)]


class Answers:
    """Bodies of the vendor's answers, put together from rows that are encoded once.

    Rows past the pool repeat it under IDs of their own.
    """

    def __init__(self) -> None:
        self._heads: list[bytes] = []
        for row in make_rows():
            row.pop(_ID, None)
            self._heads.append(json.dumps(row, ensure_ascii=False).encode()[1:])

    def list_reservations(self, *, total: int, offset: int, limit: int) -> bytes:
        """Return the body for one page of `total` rows."""
        numbers = range(offset, min(offset + limit, total))
        rows = b",".join(
            b'{"%s":"1795%026d",%s' % (_ID.encode(), number, self._heads[number % POOL])
            for number in numbers
        )
        return b'{"resultCode":"0200000","returnCode":"0200000","totalCount":%d,"data":[%s]}' % (
            total,
            rows,
        )


def encode_codes(*, page: int, size: int, english: bool) -> bytes:
    """Return the body for one page of the result codes."""
    codes = list(result_codes().items())
    shown = codes[size * (page - 1) : size * page]
    body = {
        "resultCode": "0200000",
        "returnCode": "0200000",
        "totalCount": len(codes),
        "obsCodes": [{"obsCode": code, "obsCodeDesc": texts[not english]} for code, texts in shown],
    }
    return json.dumps(body, ensure_ascii=False).encode()
