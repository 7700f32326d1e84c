"""Logs as data: one line an event, with the request's id, and never a query string or a body.

Addresses of this product carry called numbers in their query, which are personal data; only paths
are logged, their long numbers masked.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from django_structlog.signals import bind_extra_request_metadata

from isales_proxy.client.redaction import mask_numbers

# Loggers whose texts quote addresses.
_QUOTING: Final = ("django.request", "django.security", "waitress")
# Attribute of a request that has a line of its own.
_LOGGED: Final = "has_log_line"


def _without_numbers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Mask the numbers of what strangers send: somebody may put a called number where an ID or the
    name of a browser belongs, and an error may quote it."""
    for name in ("request", "user_agent", "exception"):
        if event.get(name):
            event[name] = mask_numbers(str(event[name]))
    if str(event.get("logger", "")).startswith(_QUOTING):
        event["event"] = mask_numbers(str(event["event"]))
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _without_numbers,
]


class OneLineFilter(logging.Filter):
    """Leaves one line to each request that was refused or could not be served.

    `request_finished` has its status, so that Django's own line says nothing new. What is refused
    before that (a foreign host name) is a warning without a traceback. A fault of ours keeps it.
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


def _mark(request: Any, **_more: Any) -> None:
    setattr(request, _LOGGED, True)


def configuration(*, debug: bool, level: str) -> dict[str, Any]:
    """Set structlog up and return the dictionary for Django's LOGGING.

    Development gets lines for people, production JSON.
    """
    bind_extra_request_metadata.connect(_mark, dispatch_uid="dashboard.logs")
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
            # The development server prints whole addresses; the request log has the path alone.
            "django.server": {"handlers": [], "level": "ERROR", "propagate": False},
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Dates out of zone and the like stay visible, the rest of the noise does not.
            "huey": {"level": "WARNING"},
            # Of a queue it speaks at each request that waits.
            "waitress.queue": {"level": "ERROR"},
        },
    }
