"""Proofs of who sends a request: a C2 signature, a bearer token, or nothing at all.

And the calls that get a token: ``tokenByAkSk``, or the OBS log-in and its refresh. A lifetime is
counted by our own clock, from the moment before the request was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from ..auth import Credentials, Request, c2_header
from ..config import ObsAuth, ObsConfig
from ..envelopes import TokenPayload
from ..errors import BadAnswer, CredentialsRefused, KeysMissing, Misdirected, Refused
from ..operations import FETCH_TOKEN, LOG_IN, REFRESH_TOKEN
from ..tokens import Token, TokenSource, TokenState, TokenStore
from .response_body import NO_TOKEN, Answer

Proof = Callable[[Request], Mapping[str, str]]
"""The headers that a request needs besides its own; made anew for every attempt."""

# A token so old was used before, by another process if not by this one.
_AGED: Final = timedelta(seconds=60)

Left = Callable[[], float]
"""The seconds that the call has left."""

Caller = Callable[..., Answer[TokenPayload]]
"""`Transport.call` of the operations below."""

# What the vendor's example of the log-in says, for answers that leave it out.
_LOG_IN_SECONDS = 300
_REFRESH_SECONDS = 3600
# Who refuses keys has a token interface; these say that there is none.
_NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE)


class Authenticator:
    """Source of the proofs of the operations of one scheme.

    This one proves nothing, as the token calls, which say in their body who asks.
    """

    def get_proof(self, left: Left) -> Proof:  # noqa: ARG002 – as every scheme has it
        """The proof for a call, which may take calls of its own. Raises an `ISalesError`."""
        return lambda _: {}

    def renewed(self, refused: Proof, left: Left) -> Proof | None:  # noqa: ARG002 – likewise
        """Another proof than the refused one, or ``None`` where there can be none. Likewise."""
        return None

    def accepted(self, proof: Proof) -> None:
        """Take note that CC-iSales took this proof."""

    def ended(self, refused: Proof) -> bool:  # noqa: ARG002 – likewise
        """Tell whether the refused proof was good before, so that its time is over."""
        return False


class C2Signer(Authenticator):
    """Signs each request with access key and secret key, which have no end that is known."""

    def __init__(self, credentials: Credentials, clock: Callable[[], datetime]) -> None:
        self._credentials = credentials
        self._clock = clock

    def get_proof(self, left: Left) -> Proof:  # noqa: ARG002 – as every scheme has it
        """The signature, which costs no call and is new each time."""
        return self._sign

    def _sign(self, request: Request) -> Mapping[str, str]:
        return {"Authorization": c2_header(request, self._credentials, self._clock())}


@dataclass(frozen=True, slots=True)
class _TokenProof:
    token: Token
    header: str

    def __call__(self, _: Request) -> Mapping[str, str]:
        return {self.header: f"Bearer {self.token.value}"}


class Bearer(Authenticator):
    """Sends the token in force, whichever way it is got."""

    def __init__(
        self,
        config: ObsConfig,
        *,
        store: TokenStore,
        call: Caller,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._header = config.header
        self._clock = clock
        self._accepted: Proof | None = None
        self._static: Token | None = None
        self._source: TokenSource | None = None
        if not config.configured:
            return
        if config.auth == ObsAuth.STATIC:
            self._static = Token(config.token, clock(), None)
        else:
            calls = TokenCalls(config, call, clock)
            self._source = TokenSource(store, obtain=calls.obtain, clock=clock, sleep=sleep)

    def get_proof(self, left: Left) -> Proof:
        """A token. Raises `KeysMissing` where none is set and none can be got."""
        token = self._static if self._source is None else self._source.token(left)
        if token is None:
            raise KeysMissing("No OBS credentials are set.", maybe_sent=False)
        return _TokenProof(token, self._header)

    def renewed(self, refused: Proof, left: Left) -> Proof | None:
        """Another token, asked for only if no other thread or process has done so meanwhile.

        A static one nobody can renew.
        """
        if self._source is None or not isinstance(refused, _TokenProof):
            return None
        return _TokenProof(self._source.after(refused.token, left), self._header)

    def accepted(self, proof: Proof) -> None:
        """Remember the token as one that was good."""
        self._accepted = proof

    def ended(self, refused: Proof) -> bool:
        """Tell whether the refused token was taken before, here or by its age elsewhere."""
        if not isinstance(refused, _TokenProof):
            return False
        aged = self._clock() - refused.token.issued_at >= _AGED
        return aged or refused == self._accepted

    def state(self) -> TokenState | None:
        """The times of the token in force, without a call; nobody tells those of a static one."""
        return self._source.state() if self._source is not None else None


class _Hidden(dict[str, str]):
    """Names and values that no report of an error should show."""

    def __repr__(self) -> str:
        return "***"


class TokenCalls:
    """Gets tokens as the configuration says.

    Raises what a call raises, but for `Refused`: for whoever wants to use the token that is
    `CredentialsRefused`, since of their own request nothing was refused. Where no token interface
    is found it stays `Misdirected`, for then it is not the keys that are wrong.
    """

    def __init__(self, config: ObsConfig, call: Caller, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._call = call
        self._clock = clock

    def obtain(self, last: Token | None, left: Left) -> Token:
        """A new token; ``last`` is the one before it, whose refresh token may still serve."""
        try:
            return self._new(last, left)
        except Refused as error:
            if isinstance(error, Misdirected) and error.http_status in _NOT_THERE:
                raise
            refused = error
        raise CredentialsRefused(
            NO_TOKEN,
            operation=refused.operation,
            request_id=refused.request_id,
            code=refused.code,
            http_status=refused.http_status,
        )

    def _new(self, last: Token | None, left: Left) -> Token:
        config, now = self._config, self._clock()
        if config.auth != ObsAuth.LOGIN:
            found = self._call(
                FETCH_TOKEN,
                headers={"X-Token-Expire": str(config.token_seconds)},
                body=_Hidden(app_key=config.key, app_secret=config.secret),
                deadline=left(),
            ).payload
            seconds = found.seconds or config.token_seconds
            return Token(found.value, now, now + timedelta(seconds=seconds))
        if last is not None and self._refreshable(last):
            try:
                answer = self._call(
                    REFRESH_TOKEN,
                    # The two languages of the page disagree on where it belongs; so it is in both.
                    headers=_Hidden(Authentication=f"Bearer {last.refresh_value}"),
                    body=_Hidden(refreshToken=last.refresh_value),
                    deadline=left(),
                )
                return _token(answer.payload, now, last)
            except (Refused, CredentialsRefused, BadAnswer):
                now = self._clock()  # its refresh token does no longer serve; user and password do
        body = _Hidden(user=config.key, passwd=config.secret)
        return _token(self._call(LOG_IN, body=body, deadline=left()).payload, now)

    def _refreshable(self, last: Token) -> bool:
        ends = last.refresh_expires_at
        return bool(last.refresh_value) and (ends is None or self._clock() < ends)


def _token(found: TokenPayload, now: datetime, last: Token | None = None) -> Token:
    """The token of a log-in; a refresh that brings no new refresh token leaves the last one."""
    expires = now + timedelta(seconds=found.seconds or _LOG_IN_SECONDS)
    if not found.refresh_value and last is not None:
        return Token(found.value, now, expires, last.refresh_value, last.refresh_expires_at)
    refresh = now + timedelta(seconds=found.refresh_seconds or _REFRESH_SECONDS)
    return Token(found.value, now, expires, found.refresh_value, refresh)
