"""The sentences by which the client tells what went wrong, to be translated like all others.

The client knows no languages; a test sees to it that none of its sentences is missing here.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext, gettext_noop

SENTENCES: Final = frozenset(
    {
        gettext_noop("A row of the answer is not an object."),
        gettext_noop("CC-iSales answers with a redirect."),
        gettext_noop("CC-iSales broke the connection."),
        gettext_noop("CC-iSales gives no token for the credentials that are set."),
        gettext_noop("CC-iSales has a failure of its own."),
        gettext_noop("CC-iSales refuses the token."),
        gettext_noop("No trusted TLS connection could be made."),
        gettext_noop("The answer ended early."),
        gettext_noop("The answer has an unexpected status."),
        gettext_noop("The answer holds far more rows than were asked for."),
        gettext_noop("The answer holds no data that can be read."),
        gettext_noop("The answer holds no data."),
        gettext_noop("The answer holds no list of records."),
        gettext_noop("The answer holds no result code."),
        gettext_noop("The answer holds no result."),
        gettext_noop("The answer holds no token that can be sent."),
        gettext_noop("The answer holds no token."),
        gettext_noop("The answer holds no total that can be read."),
        gettext_noop("The answer is larger than allowed."),
        gettext_noop("The answer is not a JSON object."),
        gettext_noop("The answer is not valid HTTP."),
        gettext_noop("The answer is not valid JSON."),
        gettext_noop("The time for the call was spent before it was made."),
        gettext_noop("The time for the call was spent before there was a token."),
    }
)


def translate_cause(sentence: str) -> str:
    """A sentence of the client's in the language in force."""
    return gettext(sentence) if sentence in SENTENCES else sentence
