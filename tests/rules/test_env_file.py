"""`.env` is one configuration for every entry point, or the start stops and says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import starts
from tests.support.starts import Start, run_starts

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
SHOW = (
    "import json;"
    "from django.conf import settings as s;"
    "print(json.dumps([s.SECRET_KEY, s.TIME_ZONE, s.ALLOWED_HOSTS, s.ISALES.cc_id,"
    " s.DATABASES['default']['NAME']]))"
)


Text = str | bytes


def run_all(
    tmp_path: Path, texts: Sequence[Text], *arguments: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run a command once with each of these `.env`."""
    wanted = []
    for number, text in enumerate(texts):
        file = tmp_path / f"dot-env-{number}"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        wanted.append(Start(arguments, environment(tmp_path, file)))
    return run_starts(wanted)


def environment(tmp_path: Path, file: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(tmp_path / "var"),
        "CALLBOARD_ENV_FILE": str(file),
    }


def run(
    tmp_path: Path, text: Text, *arguments: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with this `.env`."""
    file = tmp_path / "dot-env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return starts.run(["manage.py", *arguments], environment(tmp_path, file) | env)


def test_usual_syntax_of_env_files_is_read(tmp_path: Path) -> None:
    text = (
        "\ufeffexport SECRET_KEY='a $key with # and a blank'\r\n"
        "# a comment\r\n"
        "\r\n"
        "TIME_ZONE = Asia/Shanghai  # where they are\r\n"
        'ALLOWED_HOSTS="a.example.org, b.example.org"\r\n'
        "  ISALES_CC_ID=7"
    )
    found = run(tmp_path, text, "shell", "-v0", "-c", SHOW)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[:4] == [
        "a $key with # and a blank",
        "Asia/Shanghai",
        ["a.example.org", "b.example.org"],
        7,
    ]


def test_environment_variables_override_the_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("\ufeffkey-of-the-environment\n", "utf-8")
    text = "SECRET_KEY=key-of-the-file\nTIME_ZONE=Asia/Shanghai\nISALES_CC_ID=7\n"
    found = run(
        tmp_path,
        text,
        *("shell", "-v0", "-c", SHOW),
        SECRET_KEY_FILE=str(key),
        TIME_ZONE="Europe/Berlin",
    )
    assert json.loads(found.stdout)[:2] == ["key-of-the-environment", "Europe/Berlin"]
    assert json.loads(found.stdout)[3] == 7


def test_relative_path_does_not_depend_on_the_working_directory(tmp_path: Path) -> None:
    file = tmp_path / "dot-env"
    file.write_text("DATABASE_URL=sqlite:///data/callboard.sqlite3\n", "utf-8")
    found = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c", SHOW],
        cwd=tmp_path,
        env=environment(tmp_path, file),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout)[4] == str(ROOT / "data" / "callboard.sqlite3")


UNREADABLE: dict[Text, str] = {
    "TIME_ZONE=UTC\n\n\nSECRET_KEY\n": "line 4",
    "TIME_ZONE=UTC\nSECRET_KEY='open\n": "line 2",
    "SECRET_KEY: yaml\n": "line 1",
    "ALLOWED-HOSTS=example.org\n": "line 1",
    "TIME_ZONE=UTC\n".encode("utf-16"): "not UTF-8",
}


def test_unreadable_line_is_reported_and_stops_the_start(tmp_path: Path) -> None:
    runs = run_all(tmp_path, [*UNREADABLE], "check")
    for (text, told), found in zip(UNREADABLE.items(), runs, strict=True):
        assert found.returncode == 1, text
        assert told in found.stderr, text
        assert "Traceback" not in found.stderr


def test_unknown_names_are_reported_with_a_suggestion_and_stop_the_start(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "ISALES_BASEURL=https://10.0.0.1\nOIDC_ROLEMAP=a=agent@88\nALLOWED_HOST=example.org\n"
        "POSTGRES_PASSWORD=of-another-program\n",
        "check",
        ISALES_ACCES_KEY_FILE="/run/key",
    )
    assert found.returncode == 1
    told = [line.strip() for line in found.stderr.splitlines() if line.startswith("  - ")]
    assert told == [
        "- ALLOWED_HOST: unknown; is it ALLOWED_HOSTS?",
        "- ISALES_ACCES_KEY_FILE: unknown; is it ISALES_ACCESS_KEY?",
        "- ISALES_BASEURL: unknown; is it ISALES_BASE_URL?",
        "- OIDC_ROLEMAP: unknown; is it OIDC_ROLE_MAP?",
    ]


def test_name_with_file_suffix_is_known(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("AK", "utf-8")
    assert run(tmp_path, f"ISALES_ACCESS_KEY_FILE={key}\n", "check").returncode == 0


MATCHLESS = {
    "ALLOWED_HOSTS": ("host:8443", "https://host", "host/", "*.host", "::1", "host.", ""),
    "METRICS_TOKEN": ("ü", "two words"),
    "CSRF_TRUSTED_ORIGINS": (
        "host",
        "https://host/",
        "https://host/path",
        "https://host:443",
        "https://Host",
        "https://*",
        "ftp://host",
        "https://user@host",
    ),
}


def test_host_or_origin_that_can_never_match_stops_the_start(tmp_path: Path) -> None:
    lines = [(name, f"{name}={value}\n") for name, values in MATCHLESS.items() for value in values]
    runs = run_all(tmp_path, [line for _name, line in lines], "check")
    for (name, line), found in zip(lines, runs, strict=True):
        assert found.returncode == 1, line
        assert f"- {name}: " in found.stderr, line


def test_valid_hosts_and_origins_are_accepted(tmp_path: Path) -> None:
    text = (
        "ALLOWED_HOSTS=Example.org, .example.net,192.0.2.10,[2001:db8::1]\n"
        "CSRF_TRUSTED_ORIGINS=https://a.example.org:8443, https://*.example.net,http://10.0.0.1\n"
    )
    found = run(tmp_path, text, "check")
    assert found.returncode == 0, found.stderr


def test_web_server_reads_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / "dot-env"
    file.write_text("BIND=127.0.0.1:8123\nWEB_CONCURRENCY=3\n", "utf-8")
    code = (
        "import runpy; found = runpy.run_path('dashboard/gunicorn_conf.py');"
        "print(found['bind'], found['workers'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"CALLBOARD_ENV_FILE": str(file)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["127.0.0.1:8123", "3"]
