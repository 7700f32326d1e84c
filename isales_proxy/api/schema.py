"""The schema, made complete: what holds for every operation is said once, here."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.openapi import AutoSchema

from isales_proxy.api.errors import MEDIA_TYPE
from isales_proxy.api.examples import ANSWERS
from isales_proxy.api.permissions import needed_by

REQUEST_ID: Final = "3f0f5a52-6a0e-4d47-9a37-6f2f1c1f7f10"

_TAGS: Final = (
    ("result-codes/", "Result codes"),
    ("write-backs/", "Write-backs"),
    ("tasks/", "Tasks and call data"),
    ("call-data/", "Tasks and call data"),
    ("reservations/", "Reservations"),
    ("vdns/", "VDNs"),
)
_PATH: Final = {
    "vdn_id": "The vendor's number of the VDN.",
    "appoint_id": "The vendor's ID of the reservation.",
    "service_id": "The vendor's ID of the outbound task.",
    "batch_id": "Number of the batch of call data.",
    "id": "Number of the row.",
}
_ALWAYS: Final = {
    401: "There is neither a session nor a token, or the token is unknown, ended or revoked.",
    403: "The token lacks the scope, which `scope` names.",
    406: "The `Accept` header leaves out `application/json`.",
    414: "The query is longer than 8 kB.",
    422: "The address cannot be understood: no UTF-8, a NUL, or too many parameters.",
    429: "Too many requests; see `Retry-After`.",
}
_WITH_BODY: Final = {
    400: "The body is no JSON.",
    413: "The body is too large.",
    415: "The body is said to be something else than `application/json`.",
}
_PAUSED: Final = {"429", "503"}
_RETRY_AFTER: Final = {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}


class CompleteSchema(AutoSchema):
    """Adds tags, the scope of a token, and to each status its problem with an example."""

    def get_tags(self) -> list[str]:
        """By what the operation is about."""
        return [next((tag for part, tag in _TAGS if part in self.path), "Other")]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation, or None where a view is left out of the schema."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            self._complete(operation)
        return operation

    def _complete(self, operation: dict[str, Any]) -> None:
        scope = needed_by(self.view, self.method)
        words = operation.get("description") or f"{operation['summary']}."
        operation["description"] = f"{words}\n\nToken scope: `{scope.value if scope else ''}`."
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter.setdefault("description", _PATH.get(parameter["name"], ""))
        responses = operation["responses"]
        for status, text in (_ALWAYS | (_WITH_BODY if "requestBody" in operation else {})).items():
            _say(responses, str(status), text)
        for status, response in responses.items():
            response["description"] = response["description"] or HTTPStatus(int(status)).phrase
            _exemplify(operation["operationId"], status, response)
            if status in _PAUSED:
                response.setdefault("headers", {})["Retry-After"] = _RETRY_AFTER
            if status == "401":
                response.setdefault("headers", {})["WWW-Authenticate"] = {
                    "schema": {"type": "string"},
                    "description": "The schemes that lead in.",
                }
        operation["responses"] = dict(sorted(responses.items()))


def _say(responses: dict[str, Any], status: str, text: str) -> None:
    """Add a problem, or these words to the one that is there."""
    found = responses.get(status)
    if found is None:
        shape = {"$ref": "#/components/schemas/ProblemFields"}
        responses[status] = {"content": {MEDIA_TYPE: {"schema": shape}}, "description": text}
    elif status not in {"401", "429"}:
        found["description"] = f"{found['description']} {text}"
    else:
        found["description"] = text


def _exemplify(operation_id: str, status: str, response: dict[str, Any]) -> None:
    """Give an answer that has none an example: of ours by hand, of problems by its words."""
    for media_type, content in response.get("content", {}).items():
        if "examples" in content:
            continue
        value = ANSWERS.get((operation_id, status))
        if media_type == MEDIA_TYPE:
            value = _problem(int(status), response["description"])
        if value is not None:
            content["examples"] = {"Example": {"value": value}}


def _problem(status: int, words: str) -> dict[str, Any]:
    first = re.split(r"(?<=\.) ", words)[0]
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": first,
        "request_id": REQUEST_ID,
    }
