"""The token desk: `tokenByAkSk`, `obs/auth/login` and `obs/auth/refresh`.

Vendor pages: "C1 System Configuration Interface Authentication" and the log-in and refresh pages
of the OBS interfaces. `X-Token-Expire` may be missing, since no page says what happens then; the
token then lives as long as that of the example. A refresh token serves once.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from isales_proxy.simulator.faults import NOT_CARRIED_OUT, Fault
from isales_proxy.simulator.obs_envelope import Envelope
from isales_proxy.simulator.obs_parameters import (
    check_json,
    read_app_keys,
    read_log_in,
    read_refresh,
    read_seconds,
)
from isales_proxy.simulator.operations import FETCH_TOKEN, LOG_IN, REFRESH_TOKEN
from isales_proxy.simulator.parameters import ParameterError
from isales_proxy.simulator.server import Request
from isales_proxy.simulator.tokens import Tokens, bearer_of
from isales_proxy.simulator.wire import FORBIDDEN, METHOD_NOT_ALLOWED, UNAUTHORIZED, Answer, Outcome

ASKED_SECONDS: Final = 600
LOG_IN_SECONDS: Final = 300
REFRESH_SECONDS: Final = 3600


class TokenDesk:
    """Hands out tokens for `keys`; `cap` shortens their lives, and the answer says so."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        keys: tuple[str, str],
        cap: int | None,
        now: Callable[[], datetime],
        envelope: Envelope,
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._cap = cap
        self._now = now
        self._envelope = envelope

    def answer(
        self,
        request: Request,
        operation: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
    ) -> Outcome:
        """The answer as the envelope faults leave it."""
        if request.method != "POST":
            return Outcome(METHOD_NOT_ALLOWED, verified=False)
        try:
            body = check_json(request, query, required=operation != REFRESH_TOKEN)
            if operation == FETCH_TOKEN:
                given = read_app_keys(body)
                seconds = read_seconds(request.headers.get("x-token-expire"), ASKED_SECONDS)
            elif operation == LOG_IN:
                given, seconds = read_log_in(body), LOG_IN_SECONDS
            else:
                return self._refreshed(request, body, fault)
        except ParameterError as error:
            return self._envelope.wrong(error, verified=False)
        if not self._are_right(given):
            return Outcome(FORBIDDEN, verified=False)
        if fault is not None and fault.kind in NOT_CARRIED_OUT:
            return self._envelope.prevented(fault)
        if operation == FETCH_TOKEN:
            return self._fetched(given[0], seconds, fault)
        return self._logged_in(fault)

    def _are_right(self, given: tuple[str, str]) -> bool:
        pairs = zip(given, self._keys, strict=True)
        return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in pairs)

    def _fetched(self, app_key: str, asked: int, fault: Fault | None) -> Outcome:
        seconds = self._capped(asked)
        payload: dict[str, object] = {
            "AccessToken": self._tokens.issue(seconds),
            "ApplyType": "Bearer",
            "CreateTime": str(int(self._now().timestamp())),
            "Expires": str(seconds),
            "Scope": "0" * 32,
            "AppKey": app_key,
            "UserID": "Anonymous",
        }
        if fault is not None and fault.kind == "no_data":
            del payload["AccessToken"]
        if fault is not None and fault.kind == "patch":
            payload.update(fault.fields())
        return Outcome(Answer(200, json.dumps(payload).encode()), verified=True)

    def _logged_in(self, fault: Fault | None) -> Outcome:
        seconds = self._capped(LOG_IN_SECONDS)
        number = self._envelope.number
        return self._envelope.success(
            {
                "token": self._tokens.issue(seconds),
                "tokenExpirationTime": number(seconds),
                "refreshToken": self._tokens.issue_refresh(REFRESH_SECONDS),
                "refreshExpirationTime": number(REFRESH_SECONDS),
            },
            fault,
        )

    def _refreshed(
        self, request: Request, body: Mapping[str, object], fault: Fault | None
    ) -> Outcome:
        token = bearer_of(request.headers.get("authentication"))
        # The Chinese page has no body, the examples of both pages have one.
        in_body = read_refresh(body) if body else token
        if not token or in_body != token:
            return Outcome(UNAUTHORIZED, verified=False)
        if fault is not None and fault.kind in NOT_CARRIED_OUT:
            if not self._tokens.is_refresh(token):
                return Outcome(UNAUTHORIZED, verified=False)
            return self._envelope.prevented(fault)
        if not self._tokens.redeem(token):
            return Outcome(UNAUTHORIZED, verified=False)
        return self._logged_in(fault)

    def _capped(self, seconds: int) -> int:
        return seconds if self._cap is None else min(seconds, self._cap)
