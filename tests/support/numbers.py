"""Search for phone numbers in the body, headers and files of a response."""

from __future__ import annotations

import html
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote


def bytes_of(answer: Any) -> bytes:
    """Return the whole body, streamed or not."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def texts_of(answer: Any) -> list[str]:
    """Return headers, cookies and body of a response, each as it is and decoded."""
    body = bytes_of(answer)
    parts = [f"{name}: {value}" for name, value in answer.headers.items()]
    parts += [morsel.OutputString() for morsel in answer.cookies.values()]
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            parts += [book.read(name).decode(errors="replace") for name in book.namelist()]
    else:
        parts.append(body.decode(errors="replace"))
    return [text for part in parts for text in {part, html.unescape(unquote(part))}]


def found_in(texts: Iterable[str], numbers: Iterable[str]) -> set[str]:
    """Return which of these numbers (digits) occur, in digits of any script, in one or more groups.

    A longer figure that contains a number by chance, such as an ID, is no occurrence.
    """
    wanted = set(numbers)
    longest = max(map(len, wanted), default=0)
    found: set[str] = set()
    for text in texts:
        for run in re.findall(r"\d[\d\s().\-\u2010-\u2015/,;+]*", text):
            groups = [_ascii(group) for group in re.findall(r"\d+", run)]
            for start in range(len(groups)):
                digits = ""
                for group in groups[start:]:
                    digits += group
                    if len(digits) > longest:
                        break
                    if digits in wanted:
                        found.add(digits)
    return found


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(character)) for character in text)
