"""Conversion of exceptions of requests and urllib3 to our errors.

Nothing of the original is kept, since its attributes hold the signed request.
"""

from __future__ import annotations

import http.client

import requests
import urllib3.exceptions

from ..errors import BadAnswer, ISalesError, TimedOut, Unreachable

HTTP_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


def classify_send_error(error: Exception, *, out_of_time: bool) -> ISalesError:
    """Return our error for a failure before the head of the answer was read."""
    cause = _cause(error)
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable("No trusted TLS connection could be made.", retryable=False)
    if out_of_time or isinstance(error, requests.ReadTimeout):
        return TimedOut()
    if isinstance(error, requests.exceptions.InvalidHeader):
        return BadAnswer("The answer is not valid HTTP.")
    # A RemoteDisconnected is a BadStatusLine too, but the connection was just closed.
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, ConnectionError):
        return BadAnswer("The answer is not valid HTTP.")
    return Unreachable()


def classify_read_error(error: Exception) -> ISalesError:
    """Return our error for a failure while the body was read."""
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return TimedOut()
    if isinstance(error, http.client.IncompleteRead):
        return BadAnswer("The answer ended early.")
    cause = _cause(error)
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, ConnectionError):
        return BadAnswer("The answer ended early.")
    return Unreachable("CC-iSales broke the connection.")


def _cause(error: BaseException) -> BaseException:
    """Return the innermost exception in the ``args`` of those of requests and urllib3."""
    for _ in range(5):
        inner = [arg for arg in error.args if isinstance(arg, BaseException)]
        if not inner:
            break
        error = inner[-1]
    return error
