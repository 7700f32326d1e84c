"""A small OpenID Connect provider over real HTTP, with one person and faults for tests."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "callboard"
CLIENT_SECRET = "of-the-provider:and/us"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Use as a context manager. `claims` is what it says of the person; the rest are lies.

    `token`: claims that replace those of the ID token, None takes one away. `sign`: a function that
    signs in another way. `description`: what replaces parts of its description of itself.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {
            "sub": "1001",
            "preferred_username": "chen",
            "given_name": "Chen",
            "family_name": "Wei",
            "roles": ["callboard-sup"],
        }
        self.userinfo: dict[str, Any] | None = None
        self.token: dict[str, Any] = {}
        self.sign: Any = None
        self.description: dict[str, Any] = {}
        self.failing: set[str] = set()
        # Paths that are not answered before the end, and all that were asked for.
        self.hanging: set[str] = set()
        self.paths: list[str] = []
        self._end = Event()
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                provider._answer(self, parts.path, query)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = parse_qs(self.rfile.read(length).decode())
                form = {name: values[0] for name, values in body.items()}
                provider._answer(self, self.path, form)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Provider:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def log_in(self, address: str) -> str:
        """Return what the provider does when its person logs in at `address`: where it sends them
        back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.asked.append(query)
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _answer(self, handler: BaseHTTPRequestHandler, path: str, given: dict[str, str]) -> None:
        status, body = 200, {}
        self.paths.append(path)
        if path in self.hanging:
            self._end.wait(30)
        if path in self.failing:
            status = 503
        elif path == "/.well-known/openid-configuration":
            body = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                **self.description,
            }
        elif path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            body = {"keys": [{**key, "kid": "one", "use": "sig", "alg": "RS256"}]}
        elif path == "/token":
            status, body = self._tokens(handler, given)
        elif path == "/userinfo":
            found = self.claims if self.userinfo is None else self.userinfo
            status, body = (200, found) if self._bears(handler) else (401, {})
        else:
            status = 404
        answer = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _bears(self, handler: BaseHTTPRequestHandler) -> bool:
        return handler.headers.get("Authorization") == "Bearer access"

    def _tokens(
        self, handler: BaseHTTPRequestHandler, given: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        asked = self._codes.pop(given.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if asked is None or handler.headers.get("Authorization") != f"Basic {basic}":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or given["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            **self.claims,
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.token,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        sign = self.sign or (
            lambda found: jwt.encode(found, KEY, algorithm="RS256", headers={"kid": "one"})
        )
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": sign(claims)}
