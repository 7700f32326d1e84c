"""The texts that people read, gathered from all sources: what a translation must hold.

A developer's tool (needs Babel, a development dependency), used by the command `messages` and by
the rule test that demands complete translations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from isales_proxy.client.operations import OPERATIONS

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = ROOT / "dashboard" / "locale"
TRANSLATIONS: Final = ("zh_Hans",)

_KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}

# Texts of Django, with their plural, that its own translations lack.
_OF_DJANGO: Final = (
    (
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
)

# The client knows no languages. These of its sentences are shown to people by the API doctor.
_CLIENT_SENTENCE: Final = re.compile(
    r'(?:Unreachable|BadAnswer|TimedOut|complaint =|NO_TOKEN =|BEARER:)\(?\s*"([A-Z][^"]+\.)"'
)


def po_path(language: str) -> Path:
    """Return the file of the translation into `language`."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def source() -> Catalog:
    """Collect every message of the Python sources, the templates and the client."""
    catalog = Catalog(project="Callboard", charset="utf-8", fuzzy=False)
    for path in _sources():
        text = path.read_text("utf-8")
        method = "jinja2" if path.suffix == ".jinja" else "python"
        if path.suffix in {".html", ".txt"}:
            # What is left of the markup is no Python, so its indentation must not count.
            text = "\n".join(
                line.lstrip() for line in templatize(text, origin=str(path)).splitlines()
            )
        name = path.relative_to(ROOT).as_posix()
        for line, message, comments, context in extract(
            method, BytesIO(text.encode()), keywords=_KEYWORDS, options={"encoding": "utf-8"}
        ):
            catalog.add(message, locations=[(name, line)], auto_comments=comments, context=context)
        if name.startswith("isales_proxy/client/"):
            for sentence in _CLIENT_SENTENCE.findall(text):
                catalog.add(sentence, locations=[(name, 1)])
    for texts in _OF_DJANGO:
        catalog.add(texts, locations=[("dashboard/catalog.py", 1)])
    for operation in OPERATIONS:
        for meaning in operation.meanings.values():
            catalog.add(meaning, locations=[("isales_proxy/client/operations.py", 1)])
    return catalog


def translated(language: str) -> Catalog:
    """The translation as it is kept."""
    with po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> Catalog:
    """Bring a translation up to date with the sources, and compile it; returns it."""
    path = po_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog = translated(language) if path.exists() else Catalog(locale=language)
    catalog.update(source(), no_fuzzy_matching=True)
    catalog.fuzzy = False
    catalog.obsolete.clear()
    catalog.header_comment = "# Callboard, Apache-2.0"
    with path.open("wb") as file:
        write_po(file, catalog, width=100, sort_output=True, include_lineno=False, no_location=True)
    path.with_suffix(".mo").write_bytes(compiled(language))
    return catalog


def compiled(language: str) -> bytes:
    """The binary form of a translation as it is kept."""
    buffer = BytesIO()
    write_mo(buffer, translated(language))
    return buffer.getvalue()


def missing(language: str) -> list[str]:
    """Messages without a translation, in the order of the sources."""
    kept = translated(language)
    absent = []
    for message in source():
        if not message.id:
            continue
        found = kept.get(message.id, message.context)
        words = found.string if found else ""
        if not words or (not isinstance(words, str) and not all(words)):
            absent.append(str(message.id))
    return absent


def _sources() -> Iterator[Path]:
    for folder, pattern in (
        ("dashboard", "*.py"),
        ("isales_proxy", "*.py"),
        ("templates", "*.html"),
        ("templates", "*.txt"),
        ("templates", "*.jinja"),
    ):
        yield from sorted((ROOT / folder).rglob(pattern))
