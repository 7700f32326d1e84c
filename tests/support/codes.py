"""The code book as tests drive it: by its pages."""

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
    """Chinese and English of a listed code of VDN 88; None for one that is not listed."""
    row = ResultCode.objects.filter(vdn=88, code=code, gone_at=None).first()
    return None if row is None else (row.text_zh, row.text_en)


def preview_of(text: str) -> str:
    """The hidden number of what a refresh would change; "" where there is nothing to apply."""
    found = re.search(r'name="preview" value="([^"]*)"', text)
    return found[1] if found else ""


def previewed(admin: Any) -> str:
    """Read anew as this admin; the number of what is shown."""
    return preview_of(admin.post(REFRESH, headers=FRAGMENT).content.decode())


def changes_of(text: str) -> list[tuple[str, str]]:
    """(kind, code) of every change that a page shows, in its order."""
    return re.findall(r'data-change="(\w+)" data-code="([^"]*)"', text)


def scheduled() -> str:
    """The daily job by hand; what it prints."""
    out = StringIO()
    call_command("refresh_result_codes", "--vdn", "88", stdout=out)
    return out.getvalue()
