"""Answers on the wire: the honest way, and every dishonest one that a script asks for."""

from __future__ import annotations

import os
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Final

from isales_proxy.simulator.faults import Fault

JSON_TYPE: Final = "application/json;charset=UTF-8"
_CRUMB: Final = 64 * 1024
_NOISE: Final = b'\x00\xff{"resultCode":"0200000",\x80"data":[{]]}\xfe'
_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body><h1>Please sign in</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; Content-Length is added when it is sent."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made of a call: the answer, and what is kept of it besides the request.

    `verified` is whether the signature, token or password held; `code` the code of the answer's
    envelope, None without one.
    """

    answer: Answer
    verified: bool
    vdn: str = ""
    code: str | None = None


UNAUTHORIZED: Final = Answer(401, b"Unauthorized", "text/plain; charset=UTF-8")
FORBIDDEN: Final = Answer(403, b"Authentication failed", "text/plain; charset=UTF-8")
METHOD_NOT_ALLOWED: Final = Answer(405, b"Method Not Allowed", "text/plain")
NOT_FOUND: Final = Answer(404, b"<html><body>404 Not Found</body></html>", "text/html")


def replaced(answer: Answer, fault: Fault) -> Answer:
    """The answer that a fault puts in the place of the right one."""
    match fault.kind:
        case "status":
            body = fault.text("body").encode()
            return Answer(fault.integer("status"), body, fault.text("content_type"))
        case "throttle":
            wait = fault.options["retry_after"]
            headers = () if wait is None else (("Retry-After", str(wait)),)
            return Answer(fault.integer("status"), b"Too many requests", "text/plain", headers)
        case "unauthorized":
            return Answer(fault.integer("status"), UNAUTHORIZED.body, UNAUTHORIZED.content_type)
        case "redirect":
            headers = (("Location", fault.text("location")),)
            return Answer(fault.integer("status"), b"", "text/html", headers)
        case "garbage":
            return Answer(200, _NOISE)
        case "html":
            return Answer(200, _PAGE, "text/html")
        case "null":
            return Answer(200, b"null")
        case "gzip":
            return Answer(200, _NOISE, headers=(("Content-Encoding", "gzip"),))
    return answer


def send(
    handler: BaseHTTPRequestHandler, answer: Answer, fault: Fault | None, stopped: threading.Event
) -> None:
    """Send `answer` as `fault` wants it; waits end at once when `stopped` is set."""
    match fault.kind if fault else "":
        case "reset":
            _reset(handler)
        case "close" | "lose":
            handler.close_connection = True
        case "half_body":
            _head(handler, answer, len(answer.body))
            handler.wfile.write(answer.body[: len(answer.body) // 2])
            handler.close_connection = True
        case "drip" if fault:
            _drip(handler, answer, fault, stopped)
        case "huge" if fault:
            _huge(handler, answer, fault, stopped)
        case "delay" if fault:
            if stopped.wait(fault.seconds("seconds")):
                handler.close_connection = True
            else:
                _whole(handler, answer)
        case "hold" if fault:
            while not (stopped.is_set() or fault.released.wait(0.02)):
                pass
            if stopped.is_set():
                handler.close_connection = True
            else:
                _whole(handler, answer)
        case _:
            _whole(handler, answer)


def _whole(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    _head(handler, answer, len(answer.body))
    if handler.command != "HEAD":
        handler.wfile.write(answer.body)


def _head(handler: BaseHTTPRequestHandler, answer: Answer, length: int | None) -> None:
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.content_type)
    if length is None:
        handler.send_header("Transfer-Encoding", "chunked")
    else:
        handler.send_header("Content-Length", str(length))
    for name, value in answer.headers:
        handler.send_header(name, value)
    if handler.close_connection:
        handler.send_header("Connection", "close")
    handler.end_headers()


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    connection: socket.socket = handler.connection
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # An orderly shutdown of the socket object would send FIN before the RST.
    os.close(connection.detach())


def _drip(
    handler: BaseHTTPRequestHandler, answer: Answer, fault: Fault, stopped: threading.Event
) -> None:
    chunk, interval = fault.integer("chunk"), fault.seconds("interval")
    limit = fault.options["limit"]
    slow = len(answer.body) if not isinstance(limit, int) else min(limit, len(answer.body))
    _head(handler, answer, len(answer.body))
    for start in range(0, slow, chunk):
        handler.wfile.write(answer.body[start : min(start + chunk, slow)])
        handler.wfile.flush()
        if stopped.wait(interval):
            handler.close_connection = True
            return
    handler.wfile.write(answer.body[slow:])


def _huge(
    handler: BaseHTTPRequestHandler, answer: Answer, fault: Fault, stopped: threading.Event
) -> None:
    # Blanks before the value are legal JSON, so that only the size is at fault.
    size = max(fault.integer("size"), len(answer.body))
    declared = fault.options["declared"]
    _head(handler, answer, size if declared else None)
    left = size - len(answer.body)
    while left and not stopped.is_set():
        crumb = b" " * min(left, _CRUMB)
        left -= len(crumb)
        _part(handler, crumb, chunked=not declared)
    _part(handler, answer.body, chunked=not declared)
    if not declared:
        handler.wfile.write(b"0\r\n\r\n")
    if left:
        handler.close_connection = True


def _part(handler: BaseHTTPRequestHandler, data: bytes, *, chunked: bool) -> None:
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
