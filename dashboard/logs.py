"""Structured logs: one line per event, with the request ID, without query strings and bodies.

Queries of our addresses contain called numbers, which are personal data. Only paths are logged,
with long numbers masked.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from django_structlog.signals import bind_extra_request_metadata

from isales_proxy.client.redaction import mask_numbers

# Loggers whose messages contain addresses.
_WITH_ADDRESSES: Final = ("django.request", "django.security", "waitress")
# Attribute of requests that `request_finished` logs.
_LOGGED: Final = "has_log_line"


def _mask_numbers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Mask numbers in texts that clients send: an ID or a user agent may contain a called number,
    and an error message may quote it."""
    for name in ("request", "user_agent", "exception"):
        if event.get(name):
            event[name] = mask_numbers(str(event[name]))
    if str(event.get("logger", "")).startswith(_WITH_ADDRESSES):
        event["event"] = mask_numbers(str(event["event"]))
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _mask_numbers,
]


class OneLineFilter(logging.Filter):
    """Leaves one line to each refused or failed request.

    Django's own line repeats the status of `request_finished`. Requests that are refused earlier (a
    foreign host name) are logged as a warning without traceback. Unexpected exceptions keep theirs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a line that repeats `request_finished`."""
        status = getattr(record, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR or not record.name.startswith("django."):
            return True
        record.exc_info = None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        request = getattr(record, "request", None)
        return record.name != "django.request" or not getattr(request, _LOGGED, False)


def _mark_logged(request: Any, **_more: Any) -> None:
    setattr(request, _LOGGED, True)


def configure(*, debug: bool, level: str) -> dict[str, Any]:
    """Configure structlog and return the dictionary for Django's LOGGING.

    Lines are text in development and JSON in production.
    """
    bind_extra_request_metadata.connect(_mark_logged, dispatch_uid="dashboard.logs")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = (
        structlog.dev.ConsoleRenderer(colors=False)
        if debug
        else structlog.processors.JSONRenderer()
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processor": renderer,
            }
        },
        "filters": {"one_line": {"()": OneLineFilter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "filters": ["one_line"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # The development server logs addresses with their queries.
            "django.server": {"handlers": [], "level": "ERROR", "propagate": False},
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "huey": {"level": "WARNING"},
            # It warns of each request that waits for a thread.
            "waitress.queue": {"level": "ERROR"},
        },
    }
