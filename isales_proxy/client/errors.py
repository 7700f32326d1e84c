"""Errors of a call, as a tree.

::

    ISalesError
    ├── Unreachable          no connection, reset, untrusted certificate, 5xx, or a redirect
    │   └── CircuitOpen      not even tried: too many failures just before
    ├── TimedOut             the answer was too slow, or the deadline is spent
    ├── Throttled            429
    ├── CredentialsRefused   401, 403, or there are no credentials to call with
    │   ├── TokenEnded       401 for a token that was accepted before; it has been renewed
    │   ├── KeysUnreadable   the stored keys cannot be decrypted: nothing was sent
    │   └── KeysMissing      no keys are set: nothing was sent
    ├── BadAnswer            no JSON, the wrong shape, cut short, too large
    │   └── IncompleteSweep  the pages of one list do not add up
    └── Refused              a business error code, or another 4xx
        └── Misdirected      a 4xx without the vendor's envelope

No error contains a secret, a request or response body, or a called number. For arguments out of
bounds `queries.InvalidQuery` is raised, without a call.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, TypedDict, Unpack


class Facts(TypedDict, total=False):
    """Attributes of an error; ``None`` leaves the default."""

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
    ``retryable``    whether a retry may help
    ``code``         the vendor's code, if any
    ``request_id``   our ID of the call, the same for all its attempts; also in the logs
    ``http_status``  status of the answer, if any
    ``retry_after``  seconds to wait before a retry, if known
    ``vendor_time``  the vendor's clock according to the answer, aware UTC, if known
    ``maybe_sent``   False only if the request certainly did not reach CC-iSales
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
    """Kind of error in metrics and logs."""
    default_sentence: ClassVar[str] = "The call to CC-iSales failed."

    def __init__(self, sentence: str = "", **facts: Unpack[Facts]) -> None:
        self.sentence = sentence or self.default_sentence
        # Only the sentence in `args`, for a simple pickle and repr.
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
    """The token had expired and has been renewed: the same call will work now.

    Raised only for calls that are not repeated automatically.
    """

    outcome = "token_ended"
    default_sentence = "The token of CC-iSales had ended; there is a new one by now."


class KeysUnreadable(CredentialsRefused):
    """The stored keys cannot be decrypted. Nothing was sent."""

    default_sentence = "The stored keys cannot be read."


class KeysMissing(CredentialsRefused):
    """No keys are set for this interface. Nothing was sent."""

    default_sentence = "No keys are set."


class BadAnswer(ISalesError):
    """The answer is no JSON, has the wrong shape, ended early, or is too large."""

    outcome = "bad_answer"
    default_sentence = "The answer of CC-iSales cannot be read."


class IncompleteSweep(BadAnswer):
    """The pages of a list are inconsistent, so that rows may be missing."""

    outcome = "incomplete_sweep"
    default_sentence = "The pages of the list do not add up."


class Refused(ISalesError):
    """CC-iSales understood the request and refuses it.

    ``vendor_sentence``  its message: cut, cleaned, long numbers masked; ``""`` without one
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
    """A 4xx answer without the vendor's envelope, mostly from another server: the address is wrong.

    The same request may be accepted once the address is corrected. There is never a ``code``.
    """

    outcome = "misdirected"
    default_sentence = "What answers at the address of CC-iSales does not answer like it."
