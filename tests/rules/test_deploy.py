"""The files of deploy/ name commands, options and variables that exist, and fit the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from dashboard import gunicorn_conf

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text("utf-8")


def read(path: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_starts_commands_that_exist(unit: Path) -> None:
    commands = get_commands()
    started = [line for name in ("ExecStart", "ExecStartPre") for line in read(unit, name)]
    assert started
    for line in started:
        python, script, command, *options = line.split()
        assert python.endswith("/.venv/bin/python")
        assert (ROOT / script).exists()
        app = commands[command]
        assert isinstance(app, str)
        known = load_command_class(app, command).create_parser("manage.py", command)
        for option in options:
            assert option in known.format_help()


def test_every_variable_is_documented() -> None:
    lines = [(DEPLOY / "callboard.env").read_text("utf-8")]
    lines += [value for unit in UNITS for value in read(unit, "Environment")]
    named = {
        name.removesuffix("_FILE")
        for text in lines
        for name in re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)
    }
    known = (ROOT / "docs" / "configuration.md").read_text("utf-8") + DOCUMENT
    assert len(named) > 10
    assert [name for name in sorted(named) if f"`{name}`" not in known] == []


def test_unit_waits_for_requests_under_way_and_allows_enough_files() -> None:
    (unit,) = UNITS
    (wait,) = read(unit, "TimeoutStopSec")
    assert int(wait) > gunicorn_conf.graceful_timeout + 10
    (files,) = read(unit, "LimitNOFILE")
    assert int(files) > 8 * gunicorn_conf.worker_connections


def test_proxy_limits_and_headers_fit_the_settings() -> None:
    site = (DEPLOY / "nginx.conf").read_text("utf-8")
    found = dict(re.findall(r"^\s*(\w+) (.*);$", site, re.MULTILINE))
    body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert found["client_max_body_size"] == f"{body // 1024}k"
    assert int(found["proxy_read_timeout"].rstrip("s")) > settings.ISALES.longest_call + 10
    for header in ("Host", "X-Forwarded-Proto", "X-Forwarded-For"):
        assert f"proxy_set_header {header} " in site


def test_every_file_of_the_deployment_is_documented() -> None:
    for path in DEPLOY.iterdir():
        assert f"deploy/{path.name}" in DOCUMENT
