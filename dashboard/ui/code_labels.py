"""Result codes on all pages: category and explanation in the user's language, URL."""

from __future__ import annotations

import re
from typing import Any, Final

from django.urls import reverse

from isales_proxy.models import CodeCategory
from isales_proxy.result_codes.book import CodeBook, Explanation

# Path segments with other pages.
_RESERVED: Final = frozenset(
    {".", "..", "export.csv", "export.xlsx", "history", "progress", "refresh"}
)
_PATH_PART: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,32}")


def get_category_label(category: str) -> str:
    """Return the label of a `CodeCategory`; "" for an empty or unknown one."""
    return str(CodeCategory(category).label) if category in CodeCategory.values else ""


def explain(explanation: Explanation, language: str) -> dict[str, Any]:
    """Return category, meaning and next step of a code for a template."""
    return {
        "category": get_category_label(explanation.category),
        "meaning": explanation.meaning(language),
        "step": explanation.step(language),
        "edited": explanation.edited,
    }


def explain_result(
    vdn_id: int, book: CodeBook, code: str | None, language: str
) -> dict[str, Any] | None:
    """Return the explanation of a call result with its code and URL; None without one."""
    explained = explain(book.explain(code), language)
    if not code or not (explained["meaning"] or explained["step"]):
        return None
    return explained | {"code": code, "url": get_code_url(vdn_id, code)}


def get_code_url(vdn_id: int, code: str, name: str = "result_code") -> str:
    """Return the URL `name` of one code; "" for a code that cannot be a path segment."""
    if code in _RESERVED or not _PATH_PART.fullmatch(code):
        return ""
    return reverse(name, args=[vdn_id, code])
