"""The part of Tabler's style sheet that is served."""

from __future__ import annotations

import subprocess
import sys

from tests.support.starts import ROOT


def test_served_style_sheet_is_the_part_that_our_sources_use() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "subset_styles.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
