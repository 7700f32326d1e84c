"""What programs send us, as JSON that can be answered and stored: bounded in size and depth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
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
    """DRF's parser reads a body of any size, falls over a deep one, and lets halves of character
    pairs pass, which no answer and no database could hold: this one refuses each."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value. Raises TooLarge and ParseError."""
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge
        try:
            found = super().parse(BytesIO(body), media_type, parser_context)
            json.dumps(found, ensure_ascii=False).encode()
        except (RecursionError, UnicodeEncodeError):
            pass
        else:
            return found
        raise ParseError
