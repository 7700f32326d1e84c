"""Headers of clients neither change links nor bring numbers into the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from isales_proxy.simulator import Simulator
from tests.support.web import collect_static_files, serving
from tests.support.workers import embedded

pytestmark = pytest.mark.processes

NUMBER = "8613800138000"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a production server, and its folder."""
    var = tmp_path_factory.mktemp("var")
    with Simulator(rows=1, call_data_rows=0) as vendor, embedded(vendor, var) as site:
        collect_static_files(var, site.env)
        with serving(site) as base:
            yield base, var


def test_script_name_header_does_not_change_links(served: tuple[str, Path]) -> None:
    base, _var = served
    headers = {"SCRIPT_NAME": "/accounts", "PATH_INFO": "/healthz", "SCRIPT-NAME": "/accounts"}
    answer = requests.get(f"{base}/accounts/login/", headers=headers, timeout=30)
    assert answer.status_code == 200
    assert 'href="/accounts/static' not in answer.text
    assert 'href="/static/' in answer.text


def test_numbers_in_headers_do_not_reach_the_log(served: tuple[str, Path]) -> None:
    base, var = served
    headers = {
        "User-Agent": f"Dialler {NUMBER}",
        "X-Request-ID": NUMBER,
        "X-Correlation-ID": NUMBER,
        "Referer": f"{base}/?called_no={NUMBER}",
        "Origin": f"https://{NUMBER}.example.org",
    }
    requests.post(f"{base}/accounts/login/", headers=headers, data={"a": "b"}, timeout=30)
    body = requests.get(f"{base}/api/v1/vdns/", headers=headers, timeout=30).json()
    requests.get(f"{base}/healthz", headers=headers | {"Host": f"{NUMBER}.example.org"}, timeout=30)
    log = (var / "server.log").read_text("utf-8")
    assert NUMBER not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    # The name of the request in the answer is that of the log.
    assert body["request_id"] in {line.get("request_id") for line in lines}
    assert any(str(line.get("user_agent", "")).startswith("Dialler") for line in lines)


@pytest.mark.parametrize(
    "name", ["staticfiles.json", "static-manifest.json", ".gathered", "static-gathered"]
)
def test_manifest_of_static_files_is_not_served(served: tuple[str, Path], name: str) -> None:
    base, _var = served
    assert requests.get(f"{base}/static/{name}", timeout=30).status_code == 404
