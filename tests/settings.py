"""The product's settings with what makes tests fast and apart from a running product."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jinja2 import StrictUndefined

# What a developer has set is for the product alone: in a .env, or in the environment.
os.environ["CALLBOARD_ENV_FILE"] = ""
_DECLARED = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
for _line in re.findall(r"^\| (`[A-Z][^|]*)\|", _DECLARED.read_text("utf-8"), re.MULTILINE):
    for _name in re.findall(r"`([A-Z][A-Z0-9_]*)`", _line):
        os.environ.pop(_name, None)
        os.environ.pop(f"{_name}_FILE", None)

from dashboard.settings import *  # noqa: E402, F403

DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HUEY = {"name": "tests", "huey_class": "huey.MemoryHuey", "immediate": False}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
# Files are looked for when they are asked for, not all of them for every client that a test makes.
WHITENOISE_AUTOREFRESH = True
# A number in an event of the audit is an error here, and masked in the product.
AUDIT_STRICT = True
# A name that a Jinja2 template does not find is an error here, and empty text in the product.
TEMPLATES[1]["OPTIONS"]["undefined"] = StrictUndefined  # type: ignore[index]  # noqa: F405
