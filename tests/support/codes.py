"""Helpers for tests of the pages of result codes."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from django.core.management import call_command

from isales_proxy.models import ResultCode

PAGE = "/vdn/88/result-codes/"
REFRESH = f"{PAGE}refresh/"
APPLY = f"{REFRESH}apply/"
HISTORY = f"{PAGE}history/"
FRAGMENT = {"HX-Request": "true"}


def words_of(code: str) -> tuple[str, str] | None:
    """Return the Chinese and English text of a code of VDN 88; None if it is not listed."""
    row = ResultCode.objects.filter(vdn=88, code=code, gone_at=None).first()
    return None if row is None else (row.text_zh, row.text_en)


def preview_of(text: str) -> str:
    """Return the ID of the preview on a page; "" without a preview."""
    found = re.search(r'name="preview" value="([^"]*)"', text)
    return found[1] if found else ""


def previewed(admin: Any) -> str:
    """Preview a refresh as this admin; return the ID of the preview."""
    return preview_of(admin.post(REFRESH, headers=FRAGMENT).content.decode())


def changes_of(text: str) -> list[tuple[str, str]]:
    """List kind and code of all changes on a page, in its order."""
    return re.findall(r'data-change="(\w+)" data-code="([^"]*)"', text)


def list_history(client: Any, query: dict[str, str] | None = None) -> list[dict[str, str]]:
    """List the entries on the page of the history: kind, URL, author and number of added codes."""
    rows = client.get(HISTORY, query or {}).context["list"].page.rows
    return [
        {
            "kind": dict(row.attributes)["data-kind"],
            "url": row.cells[0].html.partition('href="')[2].partition('"')[0],
            "by": row.cells[2].main,
            "added": row.cells[3].main,
        }
        for row in rows
    ]


def scheduled() -> str:
    """Run the daily job; return its output."""
    out = StringIO()
    call_command("refresh_result_codes", "--vdn", "88", stdout=out)
    return out.getvalue()
