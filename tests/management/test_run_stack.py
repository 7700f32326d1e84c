"""`run_stack` without its child processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from isales_proxy.management.commands import run_stack
from isales_proxy.management.commands.run_stack import CollectedState
from isales_proxy.management.commands.run_stack import _build_environment as build_environment

pytestmark = pytest.mark.processes


@pytest.fixture
def var(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SECRET_KEY", "SECRET_KEY_FILE", "DEBUG", "BIND", "PORT", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_busy_port_is_reported_with_a_free_one(var: Path, busy: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("run_stack", "--port", str(busy))
    assert str(caught.value) == (
        f"Port {busy} is in use. Stop what listens there, or take another port: "
        f"PORT={busy + 1} make run"
    )


def test_busy_server_address_is_reported_with_a_free_one(
    var: Path, busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIND", f"127.0.0.1:{busy}")
    with pytest.raises(CommandError, match=f"BIND=127.0.0.1:{busy + 1} make serve"):
        call_command("run_stack", "--production")


def test_busy_unix_socket_is_reported(var: Path) -> None:
    path = var / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(CommandError, match="listens on"):
            call_command("run_stack", "--production", "--bind", f"unix:{path}")


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:70000", "http://127.0.0.1:8000"])
def test_invalid_bind_address_is_reported(var: Path, bind: str) -> None:
    with pytest.raises(CommandError, match=bind):
        call_command("run_stack", "--production", "--bind", bind)


@pytest.mark.parametrize("port", ["0", "70000", "abc", "-1", "٣"])
def test_invalid_port_is_refused(var: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CommandError, match="1 to 65535"):
        call_command("run_stack")


@pytest.mark.parametrize(
    ("options", "environment", "bind"),
    [
        ({}, {}, "127.0.0.1:8000"),
        ({}, {"PORT": "8001", "BIND": "0.0.0.0:80"}, "127.0.0.1:8001"),
        ({"port": 8002}, {"PORT": "8001"}, "127.0.0.1:8002"),
        ({"production": True}, {"PORT": "8001"}, "127.0.0.1:8000"),
        ({"production": True}, {"BIND": "0.0.0.0:80"}, "0.0.0.0:80"),
        ({"production": True, "bind": "unix:/run/c"}, {"BIND": "0.0.0.0:80"}, "unix:/run/c"),
    ],
)
def test_address_comes_from_options_then_environment_then_default(
    var: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    environment: dict[str, str],
    bind: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asked = {"production": False, "port": None, "bind": None} | options
    assert run_stack._get_bind_address(asked) == bind


def test_children_run_without_debug_and_with_the_local_key(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    found = build_environment("127.0.0.1:8000", production=False)
    assert (found["DEBUG"], found["WEB_CONCURRENCY"]) == ("0", "1")
    assert found["SECRET_KEY_FILE"] == str(var / "secret-key")


def test_environment_variables_override_defaults(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "mine")
    monkeypatch.setenv("DEBUG", "1")
    found = build_environment("127.0.0.1:8000", production=False)
    assert (found["DEBUG"], found["SECRET_KEY"]) == ("1", "mine")
    assert "SECRET_KEY_FILE" not in found


def test_production_requires_a_secret_key_and_no_debug(
    var: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="SECRET_KEY"):
        build_environment("127.0.0.1:8000", production=True)
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/key")
    monkeypatch.setenv("DEBUG", "1")
    settings.DEBUG = True
    with pytest.raises(CommandError, match="DEBUG"):
        build_environment("127.0.0.1:8000", production=True)
    # Left out it is off for the children, although it is on for a command by hand.
    monkeypatch.delenv("DEBUG")
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    found = build_environment("127.0.0.1:8000", production=True)
    assert (found["WEB_CONCURRENCY"], found["SECRET_KEY_FILE"]) == ("4", "/run/secrets/key")


def test_grace_period_covers_the_vendor_timeout_in_production_only(
    var: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("SECRET_KEY", "mine")
    settings.ISALES = replace(settings.ISALES, deadline=20.5, call_data_timeout=70.5)
    grace = {
        production: int(
            build_environment("127.0.0.1:8000", production=production)["CALLBOARD_GRACE_SECONDS"]
        )
        for production in (False, True)
    }
    assert grace[False] <= 5
    assert grace[True] >= 72


@pytest.mark.parametrize(
    ("variables", "seconds"), [({}, 62), ({"CALLBOARD_GRACE_SECONDS": "3"}, 3)]
)
def test_graceful_timeout_of_the_web_server_is_the_grace_period(
    variables: dict[str, str], seconds: int
) -> None:
    code = "import runpy; print(runpy.run_path('dashboard/gunicorn_conf.py')['graceful_timeout'])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == seconds


def test_metrics_of_an_earlier_run_are_deleted(var: Path) -> None:
    shared = Path(build_environment("127.0.0.1:8000", production=False)["PROMETHEUS_MULTIPROC_DIR"])
    (shared / "old.db").write_text("old", "ascii")
    again = build_environment("127.0.0.1:8000", production=False)["PROMETHEUS_MULTIPROC_DIR"]
    assert again == str(shared)
    assert list(shared.iterdir()) == []
    assert shared.is_relative_to(var)


def test_free_address_does_not_answer(busy: int) -> None:
    # It listens but says nothing, and a socket that nobody listens on says nothing either.
    with socket.create_server(("127.0.0.1", 0)) as trial:
        free = trial.getsockname()[1]
    assert run_stack._is_responding(f"127.0.0.1:{free}") is False
    run_stack._ensure_free(f"127.0.0.1:{free}", production=False)


def test_static_files_are_collected_again_only_after_a_change(
    settings: Any, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.css").write_text("a{}", "ascii")
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = tmp_path / "var" / "gathered"
    settings.STATIC_ROOT.mkdir(parents=True)
    first = CollectedState.compute()
    assert not first.is_current()
    first.save()
    assert CollectedState.compute().is_current()
    (source / "b.css").write_text("b{}", "ascii")
    assert not CollectedState.compute().is_current()
    first.save()
    (source / "b.css").unlink()
    assert CollectedState.compute().is_current()
    os.utime(source / "a.css", ns=(1, 1))
    assert not CollectedState.compute().is_current()
