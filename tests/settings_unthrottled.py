"""The product's settings for who sends thousands of requests a minute on purpose."""

from __future__ import annotations

from dashboard.settings import *  # noqa: F403
from dashboard.settings import REST_FRAMEWORK as THEIRS

REST_FRAMEWORK = {
    **THEIRS,
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(THEIRS["DEFAULT_THROTTLE_RATES"], "100000/min"),
}
