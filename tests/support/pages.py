"""Reading our own pages as a script would: by the hooks of the public surface."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "tr" and "data-appoint-id" in found:
            self.rows.append({"id": found["data-appoint-id"], "state": found["data-state"]})
        if not self.rows:
            return
        if "data-panel-link" in found:
            self.rows[-1]["url"] = found["href"]
        if "data-field" in found:
            self._fields.append((tag, found["data-field"]))
            self.rows[-1].setdefault(found["data-field"], "")

    def handle_endtag(self, tag: str) -> None:
        if self._fields and self._fields[-1][0] == tag:
            self._fields.pop()
        if tag == "table":
            self._fields.clear()

    def handle_data(self, data: str) -> None:
        for _tag, field in self._fields:
            self.rows[-1][field] += data


def results_of(text: str) -> str:
    """The page from its results on."""
    return text[text.index('id="results"') :]


def rows_of(text: str) -> list[dict[str, str]]:
    """Each row: `id`, `state`, `url`, and the text of every field by the vendor's name."""
    parser = _Rows()
    parser.feed(text)
    return parser.rows


def form_of(text: str) -> dict[str, str]:
    """The fields of the page's form as they are filled in."""
    found = {}
    for tag in re.findall(r"<input[^>]+>", text):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in {"checkbox", "radio"} and "checked" not in tag:
            continue
        if attributes.get("name") and attributes.get("type") != "submit":
            found[attributes["name"]] = attributes.get("value", "on" if "checked" in tag else "")
    for name, body in re.findall(
        r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', body)
        if chosen:
            found[name] = chosen[1]
    return found
