"""Configuration fails loudly, and the product runs with nothing set."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from isales_proxy import checks
from tests.support.starts import Start, run_starts

pytestmark = pytest.mark.processes


def manage(tmp_path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables alone."""
    return manage_each(tmp_path, [env], *arguments)[0]


def manage_each(
    tmp_path: Path, environments: Sequence[dict[str, str]], *arguments: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run a command once with each of these environments."""
    ours = {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(tmp_path),
        "CALLBOARD_ENV_FILE": "",
    }
    return run_starts([Start(arguments, ours | env) for env in environments])


def test_no_variable_is_required(tmp_path: Path) -> None:
    assert manage(tmp_path, "check").returncode == 0
    assert (tmp_path / "secret-key").stat().st_mode & 0o077 == 0


def test_all_invalid_values_are_reported_at_once(tmp_path: Path) -> None:
    run = manage(
        tmp_path,
        "check",
        TIME_ZONE="Mars/Olympus",
        ISALES_VDNS="88",
        ISALES_DEADLINE="soon",
        ISALES_BASE_URL="ftp://10.0.0.1",
        ISALES_CA_BUNDLE="/no/such/file",
        CACHE_URL="memcached://x",
        LATE_GRACE_SECONDS="3601",
        WEB_THREADS="0",
        ISALES_SECRET_KEY_FILE="/no/such/secret",
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    for name in (
        "TIME_ZONE",
        "ISALES_VDNS",
        "ISALES_DEADLINE",
        "ISALES_BASE_URL",
        "ISALES_CA_BUNDLE",
        "CACHE_URL",
        "LATE_GRACE_SECONDS",
        "WEB_THREADS",
        "ISALES_SECRET_KEY_FILE",
    ):
        assert name in run.stderr


def test_vendor_without_keys_is_refused(tmp_path: Path) -> None:
    run = manage(tmp_path, "check", ISALES_BASE_URL="https://10.0.0.1:28443")
    assert "ISALES_ACCESS_KEY" in run.stderr


VENDOR = {
    "ISALES_BASE_URL": "https://10.0.0.1:28443",
    "ISALES_ACCESS_KEY": "AK",
    "ISALES_SECRET_KEY": "SK",
}


WRONG = (
    {
        "ISALES_BASE_URL": "https://user@10.0.0.1",
        "ISALES_ACCESS_KEY": "A K",
        "ISALES_SECRET_KEY": "S\x07K",
        "ISALES_CA_BUNDLE": str(Path(__file__)),
        "ISALES_OBS_BASE_URL": "https://user@10.0.0.2",
        "ISALES_OBS_AUTH_HEADER": "Au thorization",
        "ISALES_TOKEN_URL": "ftp://10.0.0.2/token",
        "ISALES_TOKEN": "to ken",
        "ISALES_TIME_FORMAT": "never",
        "ISALES_TIME_FORMAT_ZONE": "Mars",
    },
    {
        "ISALES_BASE_URL": "https://10.0.0.1:99999",
        "ISALES_ACCESS_KEY": "A\tK",
        "CACHE_URL": "redis://[::1",
        "CALL_DATA_RETENTION_DAYS": "0",
        "WRITE_BACK_GIVE_UP_HOURS": "soon",
    },
    {"ISALES_BASE_URL": "https://[::1", "ISALES_OBS_AUTH": "magic"},
)


def test_values_that_the_client_refuses_are_reported_at_the_start(tmp_path: Path) -> None:
    environments = [VENDOR | wrong | {"TIME_ZONE": "Mars/Olympus"} for wrong in WRONG]
    runs = manage_each(tmp_path, environments, "check")
    for wrong, run in zip(WRONG, runs, strict=True):
        assert run.returncode == 1
        assert "Traceback" not in run.stderr
        told = [line.split(":")[0] for line in run.stderr.splitlines() if line.startswith("  - ")]
        assert sorted(told) == sorted(f"  - {name}" for name in (*wrong, "TIME_ZONE"))


HALVES = (
    ({"ISALES_APP_KEY": "key"}, "ISALES_APP_KEY, ISALES_APP_SECRET"),
    ({"ISALES_OBS_AUTH": "login", "ISALES_APP_SECRET": "x"}, "ISALES_APP_KEY"),
    ({"ISALES_OBS_AUTH": "static"}, "ISALES_TOKEN"),
)


def test_incomplete_obs_keys_are_refused(tmp_path: Path) -> None:
    runs = manage_each(tmp_path, [VENDOR | env for env, _told in HALVES], "check")
    for (_env, told), run in zip(HALVES, runs, strict=True):
        assert run.returncode == 1
        assert told in run.stderr


def test_time_formats_and_a_folder_of_certificates_are_accepted(
    tmp_path: Path,
) -> None:
    free = (
        {"ISALES_TIME_FORMAT": "milliseconds"},
        {"ISALES_TIME_FORMAT": "%d/%m/%Y %H:%M"},
        {"ISALES_CA_BUNDLE": str(tmp_path)},
    )
    for run in manage_each(tmp_path, [VENDOR | env for env in free], "check"):
        assert run.returncode == 0, run.stderr


def test_unencrypted_vendor_address_is_reported(tmp_path: Path) -> None:
    run = manage(tmp_path, "check", "--deploy", **VENDOR, ISALES_TOKEN_URL="http://10.0.0.2/token")
    assert "ISALES_TOKEN_URL is not encrypted" in run.stderr
    assert "ISALES_BASE_URL is not encrypted" not in run.stderr


PROXIES = (
    ({}, "0 None"),
    ({"HTTPS": "1"}, "1 False"),
    ({"HTTPS": "1", "HSTS_SUBDOMAINS": "1"}, "1 True"),
)


def test_proxy_settings_set_proxy_count_and_hsts(tmp_path: Path) -> None:
    code = (
        "from dashboard import settings as s;"
        "print(s.ALLAUTH_TRUSTED_PROXY_COUNT, getattr(s, 'SECURE_HSTS_INCLUDE_SUBDOMAINS', None))"
    )
    runs = manage_each(tmp_path, [env for env, _said in PROXIES], "shell", "-v0", "-c", code)
    assert [run.stdout.strip() for run in runs] == [said for _env, said in PROXIES]


def test_production_without_a_strong_secret_key_is_refused(tmp_path: Path) -> None:
    keys = ({}, *({"SECRET_KEY": key} for key in ("a", "secret", "a" * 60)))
    without, *guessed = manage_each(tmp_path, [{"DEBUG": "0"} | key for key in keys], "check")
    assert "SECRET_KEY: required" in without.stderr
    for run in guessed:
        assert run.returncode == 1
        assert "SECRET_KEY: too easily guessed" in run.stderr


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("the-secret-of-the-file-and-long-enough-to-be-one\n", "utf-8")
    code = "from django.conf import settings; print(settings.SECRET_KEY)"
    run = manage(tmp_path, "shell", "-v0", "-c", code, SECRET_KEY_FILE=str(key), DEBUG="0")
    assert run.stdout.strip() == "the-secret-of-the-file-and-long-enough-to-be-one"


def test_printed_settings_contain_no_secret(tmp_path: Path) -> None:
    code = "from django.conf import settings as s; print(s.SIGN_IN, s.ISALES, s.VARIABLES)"
    run = manage(
        tmp_path,
        "shell",
        "-v0",
        "-c",
        code,
        CACHE_URL="redis://somebody:very-secret-0004@10.0.0.2/1?password=very-secret-0005",
        ISALES_BASE_URL="https://10.0.0.1",
        ISALES_ACCESS_KEY="AK-0001",
        ISALES_SECRET_KEY="very-secret-0001",
        ISALES_APP_KEY="app",
        ISALES_APP_SECRET="very-secret-0002",
        ISALES_TOKEN="very-secret-0003",
    )
    assert "very-secret" not in run.stdout
    assert "10.0.0.1" in run.stdout
    assert "redis://…@10.0.0.2/1?…" in run.stdout


def test_deployment_check_reports_nothing_for_a_complete_configuration(tmp_path: Path) -> None:
    run = manage(
        tmp_path,
        "check",
        "--deploy",
        "--fail-level=WARNING",
        DEBUG="0",
        HTTPS="1",
        SECRET_KEY="x9f4k2" * 12,
        ALLOWED_HOSTS="callboard.example.org",
        ISALES_BASE_URL="https://10.0.0.1",
        ISALES_ACCESS_KEY="AK",
        ISALES_SECRET_KEY="SK",
    )
    assert run.returncode == 0, run.stderr


NAMED = {
    "88:Support:Asia/Shanghai,89:Sales": "[(88, 'Support', 'Asia/Shanghai'), (89, 'Sales', '')]",
    "1:A": "[(1, 'A', '')]",
}


def test_vdns_are_read_from_the_environment(tmp_path: Path) -> None:
    code = (
        "from django.conf import settings;"
        "print([(v.id, v.name, v.time_zone) for v in settings.ISALES.vdns])"
    )
    environments = [{"ISALES_VDNS": text} for text in NAMED]
    runs = manage_each(tmp_path, environments, "shell", "-v0", "-c", code)
    assert [run.stdout.strip() for run in runs] == [*NAMED.values()]


def test_files_are_readable_by_their_owner_only_and_others_are_reported(tmp_path: Path) -> None:
    var = tmp_path / "var"
    manage(tmp_path, "migrate", "-v0", VAR_DIR=str(var))
    code = (
        "from isales_proxy.core import disk_queue, health;"
        "disk_queue.store('a', {}, b'b'); health.record_worker_heartbeat()"
    )
    assert manage(tmp_path, "shell", "-v0", "-c", code, VAR_DIR=str(var)).returncode == 0
    found = {path.name: path.stat().st_mode & 0o777 for path in (var, *var.rglob("*"))}
    assert {"callboard.sqlite3", "jobs.sqlite3", "secret-key", "spool"} <= set(found)
    assert {name for name, mode in found.items() if mode & 0o077} == set()
    assert "W004" not in manage(tmp_path, "check", VAR_DIR=str(var)).stderr
    (var / "jobs.sqlite3").chmod(0o644)
    told = manage(tmp_path, "check", VAR_DIR=str(var)).stderr
    assert "W004" in told
    assert str(var / "jobs.sqlite3") in told
    assert "callboard.sqlite3" not in told


def test_database_outside_of_var_with_open_permissions_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.sqlite3"
    file.touch(0o644)
    file.chmod(0o644)
    told = manage(
        tmp_path, "check", VAR_DIR=str(tmp_path / "var"), DATABASE_URL=f"sqlite:///{file}"
    ).stderr
    assert str(file) in told


def test_system_checks_have_different_ids() -> None:
    source = Path(checks.__file__).read_text("utf-8")
    ids = re.findall(r'id="(isales_proxy\.\w+)"', source)
    assert len(ids) == len(set(ids)) > 4
