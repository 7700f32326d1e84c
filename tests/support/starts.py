"""Many starts of `manage.py` for the price of one: a process that has loaded the libraries, and
none of the product's settings, forks one for each start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.furnished import ROOT

# Reads the starts from stdin. In the fork, what was set before is not set.
FORKS = """
import json, os, runpy, sys, tempfile
import csp.constants, django.core.management, django.http.request, environs
import dashboard.logs, isales_proxy.core.signed_pickle
assert "dashboard.settings" not in sys.modules and "dashboard.environment" not in sys.modules
answers = []
for arguments, env in json.load(sys.stdin):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["manage.py", *arguments]
            code = 1
            try:
                runpy.run_path("manage.py", run_name="__main__")
                code = 0
            except SystemExit as end:
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)
                else:
                    code = end.code or 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0), err.seek(0)
        answers.append((code, out.read().decode(), err.read().decode()))
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Start:
    """The arguments of `manage.py`, and the whole environment."""

    arguments: Sequence[str]
    env: dict[str, str]


def run_starts(starts: Sequence[Start]) -> list[subprocess.CompletedProcess[str]]:
    """Run each start to its end, one after the other; give status, output and errors of each."""
    run = subprocess.run(
        [sys.executable, "-c", FORKS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        input=json.dumps([[[*start.arguments], start.env] for start in starts]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [
        subprocess.CompletedProcess([*start.arguments], code, out, err)
        for start, (code, out, err) in zip(starts, json.loads(run.stdout), strict=True)
    ]
