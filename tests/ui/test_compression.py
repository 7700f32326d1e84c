"""Compression of dynamic answers."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory

from dashboard.ui.middleware import CompressionMiddleware

ROWS = b"<tr><td>13900000000</td></tr>" * 500


def compress(response: HttpResponseBase) -> HttpResponseBase:
    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip, deflate, br"})
    return CompressionMiddleware(lambda _: response)(request)


def read(response: HttpResponseBase) -> bytes:
    assert isinstance(response, Iterable)
    return b"".join(response)


def test_page_is_compressed_for_a_browser_that_takes_it(client: Client, db: None) -> None:
    plain = client.get("/accounts/login/")
    sent = client.get("/accounts/login/", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert sent.headers["Content-Encoding"] == "gzip"
    assert b"<!doctype html>" in gzip.decompress(sent.content)
    assert len(sent.content) < len(plain.content) / 2


def test_length_of_the_same_answer_is_random_against_breach() -> None:
    lengths = {len(read(compress(HttpResponse(ROWS)))) for _ in range(20)}
    assert len(lengths) > 1


def test_entity_tag_of_a_compressed_answer_is_weak() -> None:
    assert compress(HttpResponse(ROWS, headers={"ETag": '"a"'})).headers["ETag"] == 'W/"a"'
    assert compress(HttpResponse(ROWS, headers={"ETag": 'W/"a"'})).headers["ETag"] == 'W/"a"'
    unchanged = compress(HttpResponse(status=304, headers={"ETag": 'W/"a"'}))
    assert "Content-Encoding" not in unchanged.headers


def test_streamed_lines_are_one_compressed_stream() -> None:
    lines = [b"13900000000,%d\r\n" % number for number in range(5000)]
    sent = read(compress(StreamingHttpResponse(iter(lines), content_type="text/csv")))
    assert gzip.decompress(sent) == b"".join(lines)
    assert len(sent) < len(b"".join(lines)) / 4


def test_spreadsheet_is_not_compressed_again() -> None:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert "Content-Encoding" not in compress(HttpResponse(ROWS, content_type=kind)).headers
