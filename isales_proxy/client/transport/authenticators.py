"""Proofs of who sends a request: a C2 signature, a bearer token, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from ..auth import Credentials, c2_header
from ..config import ObsAuth, ObsConfig
from ..errors import KeysMissing
from ..tokens import StaticToken, Token, TokenSource, TokenState, TokenStore
from .token_calls import Caller, TokenCalls


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request but for its proof. Its bytes and its query are final."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Proof = Callable[[Outgoing], Mapping[str, str]]
"""The headers that a request needs besides its own; made anew for every attempt."""

# A token so old was used before, by another process if not by this one.
_AGED: Final = timedelta(seconds=60)

Left = Callable[[], float]
"""The seconds that the call has left."""


class Authenticator(Protocol):
    """Source of the proofs of the operations of one scheme."""

    def get_proof(self, left: Left) -> Proof:
        """The proof for a call, which may take calls of its own. Raises an `ISalesError`."""

    def renewed(self, refused: Proof, left: Left) -> Proof | None:
        """Another proof than the refused one, or ``None`` where there can be none. Likewise."""

    def accepted(self, proof: Proof) -> None:
        """Take note that CC-iSales took this proof."""

    def ended(self, refused: Proof) -> bool:
        """Tell whether the refused proof was good before, so that its time is over."""


class C2Signer:
    """Signs each request with access key and secret key."""

    def __init__(self, credentials: Credentials, clock: Callable[[], datetime]) -> None:
        self._credentials = credentials
        self._clock = clock

    def get_proof(self, left: Left) -> Proof:  # noqa: ARG002 – as every authenticator has it
        """The signature, which costs no call."""
        return self._sign

    def renewed(self, refused: Proof, left: Left) -> None:
        """None: a signature is new each time."""

    def accepted(self, proof: Proof) -> None:
        """Do nothing."""

    def ended(self, refused: Proof) -> bool:  # noqa: ARG002 – as every authenticator has it
        """False: keys have no end that is known."""
        return False

    def _sign(self, request: Outgoing) -> Mapping[str, str]:
        value = c2_header(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=request.body,
            access_key=self._credentials.access_key,
            secret_key=self._credentials.secret_key,
            now=self._clock(),
        )
        return {"Authorization": value}


class Open:
    """Adds nothing: the token calls say in their body who asks."""

    def get_proof(self, left: Left) -> Proof:  # noqa: ARG002 – as every authenticator has it
        """No header at all."""
        return lambda _: {}

    def renewed(self, refused: Proof, left: Left) -> None:
        """None: what was refused is a setting."""

    def accepted(self, proof: Proof) -> None:
        """Do nothing."""

    def ended(self, refused: Proof) -> bool:  # noqa: ARG002 – as every authenticator has it
        """False: a setting has no end."""
        return False


@dataclass(frozen=True, slots=True)
class _TokenProof:
    token: Token
    header: str

    def __call__(self, _: Outgoing) -> Mapping[str, str]:
        return {self.header: f"Bearer {self.token.value}"}


class Bearer:
    """Sends the token in force, whichever way it is got."""

    def __init__(
        self,
        config: ObsConfig | None,
        *,
        shelf: TokenStore,
        call: Caller,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._header = config.header if config is not None else ""
        self._clock = clock
        self._accepted: Proof | None = None
        self._source: TokenSource | StaticToken | None = None
        if config is None or not config.configured:
            return
        if config.auth == ObsAuth.STATIC:
            self._source = StaticToken(config.token, clock())
        else:
            calls = TokenCalls(config, call, clock)
            self._source = TokenSource(shelf, obtain=calls.obtain, clock=clock, sleep=sleep)

    def get_proof(self, left: Left) -> Proof:
        """A token. Raises `KeysMissing` where none is set and none can be got."""
        if self._source is None:
            raise KeysMissing("No OBS credentials are set.", maybe_sent=False)
        return _TokenProof(self._source.token(left), self._header)

    def renewed(self, refused: Proof, left: Left) -> Proof | None:
        """Another token, asked for only if no other thread or process has done so meanwhile."""
        if self._source is None or not isinstance(refused, _TokenProof):
            return None
        token = self._source.after(refused.token, left)
        return _TokenProof(token, self._header) if token is not None else None

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
        """The times of the token in force, without a call."""
        return self._source.state() if self._source is not None else None
