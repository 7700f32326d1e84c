"""Every address of the product, as its resolver knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

EXAMPLES = {
    "code": "00604",
    "vdn_id": "88",
    "appoint_id": "1747",
    "app_label": "isales_proxy",
    "object_id": "1",
}


def routes(resolver: Any = None, before: str = "") -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


def filled(route: str) -> str:
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: EXAMPLES.get(match[1], "1"), route)
    return "/" + re.sub(r"\(\?P.*?\)+|[\^$?\\]", "", path)
