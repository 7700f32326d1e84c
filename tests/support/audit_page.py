"""Helpers that read the page of the audit."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

PATH = "/vdn/88/audit/"


def ids(text: str) -> list[int]:
    """List the IDs of the events on a page, in its order."""
    return [int(number) for number in re.findall(r'<tr id="e-\d+" data-event="(\d+)"', text)]


def shown(client: Client, **query: Any) -> list[int]:
    """List the IDs of the events on the first page of a filter."""
    answer = client.get(PATH, query)
    assert answer.status_code == 200
    return ids(answer.content.decode())


def address(text: str, label: str) -> str:
    """Return the address of the pager's link with this label."""
    for tag, inside in re.findall(r'(<a [^>]*class="pg"[^>]*>)(.*?)</a>', text, re.DOTALL):
        found = re.search(r'href="([^"]+)"', tag)
        if label in inside and found:
            return found[1].replace("&amp;", "&")
    return ""
