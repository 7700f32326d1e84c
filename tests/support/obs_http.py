"""Requests to the OBS interfaces over plain http.client, independent of the client under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from isales_proxy.simulator import DEMO_APP_KEY, DEMO_APP_SECRET
from tests.support.signed_http import Reply, SignedHttp

BUSINESS = "/rest/isales/v1/openapi/obs/business/"
TASKS_PATH = BUSINESS + "tasks"
CALLNOS_PATH = BUSINESS + "callnos"
MIDRESULT_PATH = BUSINESS + "push/midresult"
TOKEN_PATH = "/apigovernance/api/oauth/tokenByAkSk"
LOGIN_PATH = "/rest/isales/v1/openapi/obs/auth/login"
REFRESH_PATH = "/rest/isales/v1/openapi/obs/auth/refresh"

JSON = {"Content-Type": "application/json"}
PLACE = {"subCCNo": 1, "vdnId": 88}
TASK = 1106025109


class ObsHttp(SignedHttp):
    """Fetches a token at the first call that needs one, and keeps it in ``token``."""

    def __init__(self, base_url: str, now: datetime, *, header: str = "Authorization") -> None:
        super().__init__(base_url, now)
        self.header = header
        self.token = ""

    def post(
        self,
        path: str,
        value: object = None,
        headers: Mapping[str, str] = JSON,
        method: str = "POST",
    ) -> Reply:
        """Exactly these headers and this value: bytes as they are, else as JSON, None: no body."""
        body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        self.connection.request(method, path, body, {"Host": self.host, **headers})
        response = self.connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())

    def fetch_token(self, seconds: object = 600, **body: Any) -> Reply:
        """`tokenByAkSk` with the demo's keys unless others are given."""
        given = {"app_key": DEMO_APP_KEY, "app_secret": DEMO_APP_SECRET, **body}
        expire = {} if seconds is None else {"X-Token-Expire": str(seconds)}
        return self.post(TOKEN_PATH, given, {**JSON, **expire})

    def log_in(self, **body: Any) -> Reply:
        """`obs/auth/login` with the demo's keys unless others are given."""
        return self.post(LOGIN_PATH, {"user": DEMO_APP_KEY, "passwd": DEMO_APP_SECRET, **body})

    def refresh(self, token: str) -> Reply:
        """`obs/auth/refresh` with the refresh token in header and body, as in the examples."""
        headers = {**JSON, "Authentication": f"Bearer {token}"}
        return self.post(REFRESH_PATH, {"refreshToken": token}, headers)

    def business(self, path: str, value: object) -> Reply:
        """A business call with the token."""
        if not self.token:
            self.token = str(self.fetch_token(3600).json["AccessToken"])
        return self.post(path, value, {**JSON, self.header: f"Bearer {self.token}"})

    def tasks(self, **body: Any) -> Reply:
        """`tasks` of VDN 88 unless given otherwise."""
        return self.business(TASKS_PATH, {"subCCNo": "1", "vdnId": "88", **body})

    def callnos(self, count: object = 10, **body: Any) -> Reply:
        """`callnos` of one task of VDN 88 unless given otherwise."""
        given = {**PLACE, "serviceId": TASK, "batchCount": count, **body}
        return self.business(CALLNOS_PATH, given)

    def midresult(self, unique_id: object = "21713676089219765504", **body: Any) -> Reply:
        """`push/midresult` for one task of VDN 88 unless given otherwise."""
        given = {**PLACE, "uniqueId": unique_id, "serviceId": str(TASK), **body}
        return self.business(MIDRESULT_PATH, given)
