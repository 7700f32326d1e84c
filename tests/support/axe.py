"""The rules of accessibility that a machine can check, by axe-core in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

SCRIPT: Final = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
# axe counts these as experimental, or as mere advice, and leaves them out unless they are named.
_ALSO: Final = ("label-content-name-mismatch", "link-in-text-block", "landmark-unique")
_OPTIONS: Final[dict[str, Any]] = {
    "resultTypes": ["violations"],
    "rules": {rule: {"enabled": True} for rule in _ALSO},
}


def violations(page: Page) -> list[str]:
    """Each broken rule of the page as it stands, with the first element that breaks it."""
    page.evaluate(f"() => {{ {SCRIPT} }}")
    found = page.evaluate("options => axe.run(document, options)", _OPTIONS)
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found["violations"]]
