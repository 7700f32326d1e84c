"""Looking for numbers where none may be: in an answer's bytes, headers and files."""

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
    """The whole body, streamed or not."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def texts_of(answer: Any) -> list[str]:
    """Everything that an answer says: headers, cookies, body, each as it is and decoded."""
    body = bytes_of(answer)
    parts = [f"{name}: {value}" for name, value in answer.headers.items()]
    parts += [morsel.OutputString() for morsel in answer.cookies.values()]
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            parts += [book.read(name).decode(errors="replace") for name in book.namelist()]
    else:
        parts.append(body.decode(errors="replace"))
    return [told for part in parts for told in {part, html.unescape(unquote(part))}]


def found_in(texts: Iterable[str], numbers: Iterable[str]) -> set[str]:
    """Which of these numbers (digits) are told: in digits of any script, whole or in groups.

    A longer figure that a number happens to be a part of, such as an ID, does not tell it.
    """
    wanted = set(numbers)
    longest = max(map(len, wanted), default=0)
    found: set[str] = set()
    for text in texts:
        for run in re.findall(r"\d[\d\s().\-\u2010-\u2015/,;+]*", text):
            groups = [_ascii(group) for group in re.findall(r"\d+", run)]
            for start in range(len(groups)):
                told = ""
                for group in groups[start:]:
                    told += group
                    if len(told) > longest:
                        break
                    if told in wanted:
                        found.add(told)
    return found


def _ascii(digits: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in digits)
