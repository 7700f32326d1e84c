"""Proofs of who sends a request: a C2 signature, a bearer token, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..auth import Credentials, Request, c2_header
from ..config import ObsAuth, ObsConfig
from ..errors import KeysMissing
from ..tokens import Token, TokenSource, TokenState, TokenStore
from .token_calls import Caller, TokenCalls

Proof = Callable[[Request], Mapping[str, str]]
"""The headers that a request needs besides its own; made anew for every attempt."""

# A token so old was used before, by another process if not by this one.
_AGED: Final = timedelta(seconds=60)

Left = Callable[[], float]
"""The seconds that the call has left."""


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
        shelf: TokenStore,
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
            self._source = TokenSource(shelf, obtain=calls.obtain, clock=clock, sleep=sleep)

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
