"""The calls that get a token: ``tokenByAkSk``, or the OBS log-in and its refresh.

A lifetime is counted by our own clock, from the moment before the request was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from ..config import ObsAuth, ObsConfig
from ..envelopes import TokenPayload
from ..errors import BadAnswer, CredentialsRefused, Misdirected, Refused
from ..operations import FETCH_TOKEN, LOG_IN, REFRESH_TOKEN
from ..tokens import Token
from .response_body import NO_TOKEN, Answer

# What the vendor's example of the log-in says, for answers that leave it out.
_LOG_IN_SECONDS = 300
_REFRESH_SECONDS = 3600
# Who refuses keys has a token interface; these say that there is none.
_NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE)


Caller = Callable[..., Answer[TokenPayload]]
"""`Transport.call` of the operations below."""


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

    def obtain(self, last: Token | None, left: Callable[[], float]) -> Token:
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

    def _new(self, last: Token | None, left: Callable[[], float]) -> Token:
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
