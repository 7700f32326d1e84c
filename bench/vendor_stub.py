"""A CC-iSales that costs next to nothing: encoded answers over HTTP/1.1 after a settable latency.

It checks no signature and filters nothing; the product's own simulator does, at ten times the cost.
`POST /control` with `{"latency_ms": 50, "rows": 12000}` sets it. Run by `bench.servers` as
`python -m bench.vendor_stub`; prints its port.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from bench.vendor_rows import Answers, encode_codes

_HEADER_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Vendor:
    """Settings of the answers of the stub."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.latency_ms = 0.0
        self.rows = 12_000

    def answer(self, target: str, head: bytes, body: bytes) -> tuple[bytes, float]:
        """Return the body for one request, and the seconds that it is to take."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        fields: dict[str, Any] = json.loads(body) if body else {}
        if path == "/control":
            self.latency_ms = float(fields.get("latency_ms", self.latency_ms))
            self.rows = int(fields.get("rows", self.rows))
            return b"{}", 0.0
        if path.endswith("/queryOBSResultCode"):
            answer = encode_codes(
                page=int(query["pageNum"][0]),
                size=int(query["pageSize"][0]),
                english=b"en_US" in head,
            )
            return answer, 0.0
        if path.endswith("/appoint/list"):
            answer = self.answers.list_reservations(
                total=self.rows, offset=int(fields["offset"]), limit=int(fields["limit"])
            )
            return answer, self.latency_ms / 1000
        # No task is running: the agents' and tasks' names come from the rows.
        return b'{"result":0,"resultData":{"taskData":[]}}', 0.0


class Connection(asyncio.Protocol):
    """One kept connection; requests on it are answered one after the other."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's TCP transport
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the request once it is whole."""
        self._received += data
        head, end, rest = self._received.partition(_HEADER_END)
        if not end:
            return
        length = next(
            (
                int(line[len(_LENGTH) :])
                for line in head.split(b"\r\n")
                if line.lower().startswith(_LENGTH)
            ),
            0,
        )
        if len(rest) < length:
            return
        self._received = rest[length:]
        target = head.split(b" ", 2)[1].decode("latin-1")
        body, seconds = self._vendor.answer(target, head, rest[:length])
        answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        asyncio.get_running_loop().call_later(seconds, self._send, answer)

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve() -> None:
    """Serve on a free loopback port until the process ends."""
    vendor = Vendor()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(vendor), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
