"""The product's settings for a real server whose static files were not collected."""

from __future__ import annotations

from dashboard.settings import *  # noqa: F403
from dashboard.settings import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
