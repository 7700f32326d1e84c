"""Message catalogs: translatable texts of all sources, and their translations.

For development (Babel is a development dependency): the command `messages`, and the rule test for
complete translations.
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

# Texts of Django, with their plural, that Django has no translation of.
_DJANGO_TEXTS: Final = (
    (
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
)

# The client does not translate its texts. The API doctor shows these on its page.
_CLIENT_SENTENCE: Final = re.compile(
    r'(?:Unreachable|BadAnswer|TimedOut|message =|NO_TOKEN =|BEARER:)\(?\s*"([A-Z][^"]+\.)"'
)


def get_po_path(language: str) -> Path:
    """Return the file of the translation into `language`."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def collect_messages() -> Catalog:
    """Collect the messages of the Python sources, the templates and the client."""
    catalog = Catalog(project="Callboard", charset="utf-8", fuzzy=False)
    for path in _list_sources():
        text = path.read_text("utf-8")
        method = "jinja2" if path.suffix == ".jinja" else "python"
        if path.suffix in {".html", ".txt"}:
            # `templatize` leaves the indentation of the markup, which is wrong in Python.
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
    for texts in _DJANGO_TEXTS:
        catalog.add(texts, locations=[("dashboard/catalog.py", 1)])
    for operation in OPERATIONS:
        for meaning in operation.meanings.values():
            catalog.add(meaning, locations=[("isales_proxy/client/operations.py", 1)])
    return catalog


def read_translation(language: str) -> Catalog:
    """Read the stored translation."""
    with get_po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> Catalog:
    """Update a translation from the sources, and compile it; return it."""
    path = get_po_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog = read_translation(language) if path.exists() else Catalog(locale=language)
    catalog.update(collect_messages(), no_fuzzy_matching=True)
    catalog.fuzzy = False
    catalog.obsolete.clear()
    catalog.header_comment = "# Callboard, Apache-2.0"
    with path.open("wb") as file:
        write_po(file, catalog, width=100, sort_output=True, include_lineno=False, no_location=True)
    path.with_suffix(".mo").write_bytes(compile_translation(language))
    return catalog


def compile_translation(language: str) -> bytes:
    """Return the binary form of the stored translation."""
    buffer = BytesIO()
    write_mo(buffer, read_translation(language))
    return buffer.getvalue()


def list_untranslated(language: str) -> list[str]:
    """List the messages without a translation, in the order of the sources."""
    translation = read_translation(language)
    untranslated = []
    for message in collect_messages():
        if not message.id:
            continue
        found = translation.get(message.id, message.context)
        text = found.string if found else ""
        if not text or (not isinstance(text, str) and not all(text)):
            untranslated.append(str(message.id))
    return untranslated


def _list_sources() -> Iterator[Path]:
    for folder, pattern in (
        ("dashboard", "*.py"),
        ("isales_proxy", "*.py"),
        ("templates", "*.html"),
        ("templates", "*.txt"),
        ("templates", "*.jinja"),
    ):
        yield from sorted((ROOT / folder).rglob(pattern))
