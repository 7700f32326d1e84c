"""What programs send us, as JSON that can be answered and stored: bounded in size and depth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser


class TooLarge(APIException):
    """The body is larger than a request may be."""

    status_code = 413
    default_detail = _("The body is too large.")
    default_code = "too_large"


class BoundedJSONParser(JSONParser):
    """DRF's parser reads a body of any size, falls over a deep one, takes the last of two equal
    names, and lets halves of character pairs pass, which no answer and no database could hold:
    this one refuses each."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - likewise
    ) -> Any:
        """The value. Raises TooLarge and ParseError."""
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge
        try:
            text = body.decode(settings.DEFAULT_CHARSET)
            found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
            json.dumps(found, ensure_ascii=False).encode()
        except (RecursionError, ValueError):
            pass
        else:
            return found
        raise ParseError


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build one object. Raises ParseError for a name that stands in it twice: which of the two
    values counts would be a guess, and every proxy on the way may guess differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParseError(_("A name stands twice in one JSON object."))
    return found


def _no_constant(name: str) -> Any:
    """Refuse `NaN` and its kind, which are no JSON."""
    raise ValueError(name)
