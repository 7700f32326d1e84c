"""Errors of a call, as a tree.

::

    ISalesError
    ├── Unreachable          no connection, reset, untrusted certificate, 5xx, or a redirect
    │   └── CircuitOpen      not even tried: too many failures just before
    ├── TimedOut             the answer was too slow, or the deadline is spent
    ├── Throttled            429
    ├── CredentialsRefused   401, 403, or there are no credentials to call with
    │   ├── TokenEnded       401 for a token that was good before, and there is a new one by now
    │   ├── KeysUnreadable   the stored keys cannot be decrypted: nothing was asked
    │   └── KeysMissing      no keys are set: nothing was asked
    ├── BadAnswer            no JSON, the wrong shape, cut short, too large
    │   └── IncompleteSweep  the pages of one list do not add up
    └── Refused              a business error code, or another 4xx
        └── Misdirected      that 4xx, where it is not in the words of CC-iSales

No text in here ever holds a secret, a request or answer body, or a called number.
A question that is out of bounds is `queries.InvalidQuery` and no call at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, TypedDict, Unpack


class Facts(TypedDict, total=False):
    """Facts about an error that may be given with it; ``None`` says nothing."""

    operation: str
    request_id: str
    code: str | None
    http_status: int | None
    retry_after: float | None
    retryable: bool | None
    maybe_sent: bool | None


class ISalesError(Exception):
    """A call to CC-iSales failed.

    ``sentence``     one English sentence that is safe to show and to log
    ``operation``    name in the operations table
    ``retryable``    whether asking again may help
    ``code``         the vendor's code, where there is one
    ``request_id``   ours, one per call and the same for all its attempts; also in the logs
    ``http_status``  status of the answer, where there was one
    ``retry_after``  seconds until asking again makes sense, where known
    ``vendor_time``  what the vendor's clock said, aware UTC, where the answer told it
    ``maybe_sent``   whether the request may have reached CC-iSales: false only where that is
                     certain not to be so
    """

    operation: str = ""
    retryable: bool = False
    code: str | None = None
    request_id: str = ""
    http_status: int | None = None
    retry_after: float | None = None
    vendor_time: datetime | None = None
    maybe_sent: bool = True
    outcome: ClassVar[str] = "error"
    """The same in one word, for metrics and logs."""
    default_sentence: ClassVar[str] = "The call to CC-iSales failed."

    def __init__(self, sentence: str = "", **facts: Unpack[Facts]) -> None:
        self.sentence = sentence or self.default_sentence
        # `args` holds the sentence alone: that keeps pickle and repr plain.
        super().__init__(self.sentence)
        vars(self).update({name: value for name, value in facts.items() if value is not None})

    def __str__(self) -> str:
        facts = {
            "operation": self.operation,
            "code": self.code,
            "status": self.http_status,
            "request": self.request_id,
        }
        known = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
        return f"{self.sentence} ({known})" if known else self.sentence


class Unreachable(ISalesError):
    """No connection, a reset, an untrusted certificate, a 5xx answer, or a redirect.

    Redirects and certificates are not retryable, the rest is.
    """

    retryable = True
    outcome = "unreachable"
    default_sentence = "CC-iSales cannot be reached."


class CircuitOpen(Unreachable):
    """The call was not made, since the ones before it failed. ``retry_after`` is set."""

    retryable = False
    maybe_sent = False
    outcome = "circuit_open"
    default_sentence = "CC-iSales failed repeatedly and is left alone for a moment."


class TimedOut(ISalesError):
    """The answer did not come in time. Not retried: the time is spent."""

    outcome = "timed_out"
    default_sentence = "CC-iSales did not answer in time."


class Throttled(ISalesError):
    """CC-iSales asks for fewer calls (429). ``retry_after`` is the wait it wants."""

    retryable = True
    outcome = "throttled"
    default_sentence = "CC-iSales asks for fewer calls."


class CredentialsRefused(ISalesError):
    """CC-iSales refuses the keys, the signature or the token (401, 403), or there are none."""

    outcome = "credentials_refused"
    default_sentence = "CC-iSales refuses the access key or the signature."


class TokenEnded(CredentialsRefused):
    """The token that was in force ended, and a new one is there: asking again works.

    Raised for calls that are not repeated by themselves; all others are made with the new one.
    """

    outcome = "token_ended"
    default_sentence = "The token of CC-iSales had ended; there is a new one by now."


class KeysUnreadable(CredentialsRefused):
    """The keys that are stored cannot be read, so that nothing was asked."""

    default_sentence = "The stored keys cannot be read."


class KeysMissing(CredentialsRefused):
    """No keys are set for this interface, so that nothing was asked."""

    default_sentence = "No keys are set."


class BadAnswer(ISalesError):
    """The answer is no JSON, has the wrong shape, ended early, or is too large."""

    outcome = "bad_answer"
    default_sentence = "The answer of CC-iSales cannot be read."


class IncompleteSweep(BadAnswer):
    """Reading all pages of a list brought something other than the list."""

    outcome = "incomplete_sweep"
    default_sentence = "The pages of the list do not add up."


class Refused(ISalesError):
    """CC-iSales understood and says no.

    ``vendor_sentence``  its own words: cut, cleaned, long digit runs masked; ``""`` without any
    ``meaning``          the code in English as this interface defines it, or ``None``
    """

    outcome = "refused"
    default_sentence = "CC-iSales refuses the request."

    def __init__(
        self,
        sentence: str = "",
        *,
        vendor_sentence: str = "",
        meaning: str | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(sentence, **facts)
        self.vendor_sentence = vendor_sentence
        self.meaning = meaning


class Misdirected(Refused):
    """A 4xx answer without the vendor's envelope: whoever answers there has not understood.

    Mostly the address that is set is wrong. Nothing is said of the request itself, so that the same
    may be accepted once that is mended. There is never a ``code``.
    """

    outcome = "misdirected"
    default_sentence = "What answers at the address of CC-iSales does not answer like it."
