"""The parser of JSON bodies, bounded in size and depth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class BoundedJSONParser(JSONParser):
    """Parser that refuses large and deeply nested bodies, repeated names in an object, and lone
    surrogates, which databases cannot store."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - likewise
    ) -> Any:
        """Parse the body. Raises RequestDataTooBig and ParseError."""
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise RequestDataTooBig
        try:
            text = body.decode(settings.DEFAULT_CHARSET)
            found = json.loads(text, object_pairs_hook=_to_object, parse_constant=_refuse_constant)
            json.dumps(found, ensure_ascii=False).encode()
        except (RecursionError, ValueError):
            pass
        else:
            return found
        raise ParseError


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build one object. Raises ParseError for a repeated name, whose values are ambiguous."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParseError(_("A name occurs twice in one JSON object."))
    return found


def _refuse_constant(name: str) -> Any:
    """Refuse `NaN` and infinities, which are not JSON."""
    raise ValueError(name)
