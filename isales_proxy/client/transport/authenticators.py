"""Authentication of requests: a C2 signature, a bearer token, or none.

Also the calls that obtain a token: ``tokenByAkSk``, or the OBS log-in and its refresh. Lifetimes
are counted by our clock, from before the request was sent.
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

AuthHeaders = Callable[[Request], Mapping[str, str]]
"""Returns the headers that authenticate a request; called for every attempt."""

# A token of this age has been used before, at least by another process.
_USED_AFTER: Final = timedelta(seconds=60)

Left = Callable[[], float]
"""Returns the seconds that the call has left."""

Caller = Callable[..., Answer[TokenPayload]]
"""`Transport.call` of the operations below."""

# Lifetimes in the vendor's example of the log-in, for answers without them.
_LOG_IN_SECONDS = 300
_REFRESH_SECONDS = 3600
# These say that there is no token interface at the address.
_NO_INTERFACE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE)


class Authenticator:
    """Authenticates the operations of one scheme.

    The base class adds no headers: the token calls have their credentials in the body.
    """

    def get_headers(self, left: Left) -> AuthHeaders:  # noqa: ARG002 – as every scheme has it
        """Return the headers for a call; may make calls itself. Raises an `ISalesError`."""
        return lambda _: {}

    def renew(self, refused: AuthHeaders, left: Left) -> AuthHeaders | None:  # noqa: ARG002 – likewise
        """Return other headers than the refused ones, ``None`` if impossible. Raises likewise."""
        return None

    def record_accepted(self, headers: AuthHeaders) -> None:
        """Record that CC-iSales accepted these headers."""

    def has_expired(self, refused: AuthHeaders) -> bool:  # noqa: ARG002 – likewise
        """Return True if the refused headers were accepted before."""
        return False


class C2Signer(Authenticator):
    """Signs each request with access key and secret key."""

    def __init__(self, credentials: Credentials, clock: Callable[[], datetime]) -> None:
        self._credentials = credentials
        self._clock = clock

    def get_headers(self, left: Left) -> AuthHeaders:  # noqa: ARG002 – as every scheme has it
        """Return the signature, without a call."""
        return self._sign

    def _sign(self, request: Request) -> Mapping[str, str]:
        return {"Authorization": c2_header(request, self._credentials, self._clock())}


@dataclass(frozen=True, slots=True)
class _TokenHeaders:
    token: Token
    header: str

    def __call__(self, _: Request) -> Mapping[str, str]:
        return {self.header: f"Bearer {self.token.value}"}


class Bearer(Authenticator):
    """Sends the current token."""

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
        self._accepted: AuthHeaders | None = None
        self._static: Token | None = None
        self._source: TokenSource | None = None
        if not config.configured:
            return
        if config.auth == ObsAuth.STATIC:
            self._static = Token(config.token, clock(), None)
        else:
            calls = TokenCalls(config, call, clock)
            self._source = TokenSource(store, obtain=calls.obtain, clock=clock, sleep=sleep)

    def get_headers(self, left: Left) -> AuthHeaders:
        """Return the header with the token. Raises `KeysMissing` without credentials for one."""
        token = self._static if self._source is None else self._source.get_token(left)
        if token is None:
            raise KeysMissing("No OBS credentials are set.", maybe_sent=False)
        return _TokenHeaders(token, self._header)

    def renew(self, refused: AuthHeaders, left: Left) -> AuthHeaders | None:
        """Return another token, renewed unless another thread or process has done so.

        A static token cannot be renewed.
        """
        if self._source is None or not isinstance(refused, _TokenHeaders):
            return None
        return _TokenHeaders(self._source.replace(refused.token, left), self._header)

    def record_accepted(self, headers: AuthHeaders) -> None:
        """Remember the token as accepted."""
        self._accepted = headers

    def has_expired(self, refused: AuthHeaders) -> bool:
        """Return True if the refused token was accepted before here or, by its age, elsewhere."""
        if not isinstance(refused, _TokenHeaders):
            return False
        aged = self._clock() - refused.token.issued_at >= _USED_AFTER
        return aged or refused == self._accepted

    def state(self) -> TokenState | None:
        """Return the times of the current token, without a call; ``None`` for a static one."""
        return self._source.get_state() if self._source is not None else None


class _Hidden(dict[str, str]):
    """Names and values that error reports must not show."""

    def __repr__(self) -> str:
        return "***"


class TokenCalls:
    """Obtains tokens as configured.

    Raises the errors of a call, but `CredentialsRefused` instead of `Refused`, since the request
    that needs the token was not refused. `Misdirected` is kept if there is no token interface,
    since then the keys may be right.
    """

    def __init__(self, config: ObsConfig, call: Caller, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._call = call
        self._clock = clock

    def obtain(self, last: Token | None, left: Left) -> Token:
        """Obtain a new token, by the refresh token of ``last``, the previous one, if valid."""
        try:
            return self._obtain(last, left)
        except Refused as error:
            if isinstance(error, Misdirected) and error.http_status in _NO_INTERFACE:
                raise
            refused = error
        raise CredentialsRefused(
            NO_TOKEN,
            operation=refused.operation,
            request_id=refused.request_id,
            code=refused.code,
            http_status=refused.http_status,
        )

    def _obtain(self, last: Token | None, left: Left) -> Token:
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
        if last is not None and self._can_refresh(last):
            try:
                answer = self._call(
                    REFRESH_TOKEN,
                    # The English and the Chinese page disagree about its place, so it is in both.
                    headers=_Hidden(Authentication=f"Bearer {last.refresh_value}"),
                    body=_Hidden(refreshToken=last.refresh_value),
                    deadline=left(),
                )
                return _token(answer.payload, now, last)
            except (Refused, CredentialsRefused, BadAnswer):
                now = self._clock()  # the refresh token is no longer valid: log in again
        body = _Hidden(user=config.key, passwd=config.secret)
        return _token(self._call(LOG_IN, body=body, deadline=left()).payload, now)

    def _can_refresh(self, last: Token) -> bool:
        ends = last.refresh_expires_at
        return bool(last.refresh_value) and (ends is None or self._clock() < ends)


def _token(found: TokenPayload, now: datetime, last: Token | None = None) -> Token:
    """Build the token of a log-in; without a new refresh token the last one is kept."""
    expires = now + timedelta(seconds=found.seconds or _LOG_IN_SECONDS)
    if not found.refresh_value and last is not None:
        return Token(found.value, now, expires, last.refresh_value, last.refresh_expires_at)
    refresh = now + timedelta(seconds=found.refresh_seconds or _REFRESH_SECONDS)
    return Token(found.value, now, expires, found.refresh_value, refresh)
