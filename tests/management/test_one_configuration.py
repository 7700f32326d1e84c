"""All entry points use the same vendor, database and key from `.env`."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from isales_proxy.simulator import Simulator
from tests.support.furnished import PASSWORD
from tests.support.web import serving
from tests.support.workers import Site

pytestmark = pytest.mark.processes

STRICT = {
    "access_key": "strict-access",
    "secret_key": "strict-secret",
    "app_key": "strict-app",
    "app_secret": "strict-app-secret",
}


def _logged_in(base: str, name: str) -> requests.Session:
    session = requests.Session()
    address = f"{base}/accounts/login/"
    form = session.get(address, timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    answer = session.post(
        address,
        {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token[1]},
        timeout=30,
    )
    assert answer.ok
    return session


def test_commands_and_server_share_one_configuration(tmp_path: Path) -> None:
    var, file = tmp_path / "var", tmp_path / "kept" / "calls.sqlite3"
    file.parent.mkdir()
    with Simulator(rows=20, vdns=(88,), **STRICT) as vendor:
        vendor.codes["90099"] = ("Only the strict vendor has it", "只有它有")
        text = (
            "\ufeff# as the README says\r\n"
            f"export VAR_DIR={var}\r\n"
            # Collected static files are for servers without it.
            "DEBUG = 1\r\n"
            "SECRET_KEY='only-in-this-file-and-nowhere-else-in-the-world-7'\r\n"
            f"DATABASE_URL=sqlite:///{file}\r\n"
            f'ISALES_BASE_URL="{vendor.base_url}"\r\n'
            "ISALES_ACCESS_KEY=strict-access\r\n"
            "ISALES_SECRET_KEY=strict-secret\r\n"
            "ISALES_APP_KEY=strict-app\r\n"
            "ISALES_APP_SECRET=strict-app-secret\r\n"
            "ISALES_VDNS=88:Strict:Asia/Shanghai\r\n"
        )
        dot_env = tmp_path / ".env"
        dot_env.write_bytes(text.encode())
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CALLBOARD_ENV_FILE": str(dot_env),
            "PEOPLE": PASSWORD,
        }

        def query(sql: str) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(file, timeout=20)) as line:
                return line.execute(sql).fetchall()

        site = Site(env, query)
        site.manage("migrate", "-v0")
        person = ("--role", "supervisor", "--vdn", "88", "--password-env", "PEOPLE")
        site.manage("adduser", "maria", *person)
        with serving(site, folder=tmp_path) as base:
            browser = _logged_in(base, "maria")
            # The server adds to the audit between two commands that do.
            assert browser.get(f"{base}/vdn/88/reservations/").status_code == 200
            assert browser.get(f"{base}/readyz").json()["vendor"]["mode"] == "live"
            site.write([("u-1", "done")])
            site.manage("refresh_result_codes")
            assert "1 delivered" in site.manage("deliver_write_backs")
            asked = len(vendor.calls)
            assert "VDN 88" in site.manage("check_vendor")
            assert len(vendor.calls) > asked
            site.manage("adduser", "wei", *person)
        assert [body["uniqueId"] for body in vendor.write_backs] == ["u-1"]
        assert query("SELECT state FROM isales_proxy_writeback") == [("delivered",)]
        assert query("SELECT 1 FROM isales_proxy_resultcode WHERE code = '90099'") == [(1,)]
        assert all(call.verified for call in vendor.calls)
        # Broken where two keys have sealed it.
        site.manage("verify_audit")
        for made in (var, *var.rglob("*"), file):
            assert made.stat().st_mode & 0o077 == 0, made
