"""The settings of `settings_served`, with a SQLite database that cannot grow."""

from __future__ import annotations

from tests.settings_served import *  # noqa: F403
from tests.settings_served import DATABASES

DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA max_page_count=1;"
