"""The product's settings with what makes tests fast and apart from a running product."""

from __future__ import annotations

import os

# A developer's own .env is for the product alone.
os.environ["CALLBOARD_ENV_FILE"] = ""
_ELSEWHERE = ("ISALES_", "OIDC_", "SESSION_", "SECOND_FACTOR_")
for _name in list(os.environ):
    if _name.startswith(_ELSEWHERE) or _name in {
        "CACHE_URL",
        "JOBS_URL",
        "CALLBOARD_SIMULATOR_URL",
    }:
        del os.environ[_name]

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
