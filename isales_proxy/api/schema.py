"""The OpenAPI schema: shared parameters and problems, and our subclass of AutoSchema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from isales_proxy.access import Permission
from isales_proxy.api.idempotency import HEADER, PATTERN, REPLAYED
from isales_proxy.api.permissions import get_needed_scope
from isales_proxy.client.queries import MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.problems import MEDIA_TYPE, ProblemDetails

ViewMethod = TypeVar("ViewMethod", bound=Callable[..., Any])

_TIME: Final = "2025-05-31T06:30:00Z"
_REQUEST_ID: Final = "3f0f5a52-6a0e-4d47-9a37-6f2f1c1f7f10"
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
_IN_A_VDN: Final = {404: "No such VDN, or none of yours."}
_RETRY_AFTER: Final = {
    "Retry-After": {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}
}
_HEADERS: Final = {
    "401": {
        "WWW-Authenticate": {
            "schema": {"type": "string"},
            "description": "The schemes that lead in.",
        }
    },
    "429": _RETRY_AFTER,
    "503": _RETRY_AFTER,
}


def text_parameter(name: str, description: str, **schema: Any) -> OpenApiParameter:
    """Describe a query parameter with a text."""
    schema = {"type": "string", **schema}
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=description)


def page_parameters(
    size: str = "Rows a page.", *, default: int = DEFAULT_SIZE
) -> list[OpenApiParameter]:
    """Describe `page` and `size` of a list; `size` is the description of the latter."""
    return [
        OpenApiParameter(
            name,
            {"type": "integer", "minimum": 1, "maximum": most, "default": start},
            OpenApiParameter.QUERY,
            description=description,
        )
        for name, description, start, most in (
            ("page", "From 1.", 1, MAX_PAGE),
            ("size", size, default, MAX_PAGE_SIZE),
        )
    ]


def idempotency_parameters(status: int) -> list[OpenApiParameter]:
    """Describe the idempotency key, and the header of the response to a repeated request."""
    key = OpenApiParameter(
        HEADER,
        {"type": "string", "minLength": 1, "maxLength": 128, "pattern": f"^{PATTERN}$"},
        OpenApiParameter.HEADER,
        description="Your own name for this request: sent twice with the same key it is done once. "
        "It is yours alone, in this VDN.",
        examples=[OpenApiExample("a UUID", value="0c6f3fd7-a2a5-4d0f-8f6f-0f4f4b1c2d3e")],
    )
    replayed = OpenApiParameter(
        REPLAYED,
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        description="This was done before; the answer is how it stands by now.",
        response=[status],
    )
    return [key, replayed]


def etag_parameters(description: str) -> list[OpenApiParameter]:
    """Describe `ETag` and `If-None-Match`."""
    returned = OpenApiParameter(
        "If-None-Match",
        str,
        OpenApiParameter.HEADER,
        description="The `ETag` of an answer that you still have: 304 while it is what you would "
        "get.",
    )
    etag = OpenApiParameter(
        "ETag", str, OpenApiParameter.HEADER, description=description, response=[200, 304]
    )
    return [returned, etag]


def operation(
    *, responses: Mapping[int, Any], permission: Permission | None = None, **facts: Any
) -> Callable[[ViewMethod], ViewMethod]:
    """Declare the permission that an operation needs in the VDN, and document the operation.

    A text in `responses` describes when a problem with that status is returned.
    """
    described: dict[Any, Any] = {}
    for status, answer in responses.items():
        if isinstance(answer, str):
            described[status, MEDIA_TYPE] = OpenApiResponse(ProblemDetails, description=answer)
        else:
            described[status] = answer

    def declare(method: ViewMethod) -> ViewMethod:
        method.permission = permission  # type: ignore[attr-defined]
        return extend_schema(responses=described, **facts)(method)

    return declare


def request_example(name: str, **body: Any) -> OpenApiExample:
    """Build an example of a request body."""
    return OpenApiExample(name, request_only=True, value=body)


def problem_example(status: int, title: str, detail: str, **members: Any) -> OpenApiExample:
    """Build an example of a problem; its type follows from the member `problem` or `errors`."""
    slug = members.get("problem") or ("invalid" if "errors" in members else "")
    return OpenApiExample(
        slug or title,
        status_codes=[str(status)],
        response_only=True,
        media_type=MEDIA_TYPE,
        value=_problem(status, title, detail, slug) | members,
    )


def _problem(status: int, title: str, detail: str, slug: str = "") -> dict[str, Any]:
    return {
        "type": f"urn:callboard:problem:{slug}" if slug else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": _REQUEST_ID,
    }


# One line: no control characters.
LINE: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
TASK: Final = text_parameter("task", "ID of the outbound task.", maxLength=MAX_TEXT, pattern=LINE)
WHOLE_LIST: Final = page_parameters(default=MAX_PAGE_SIZE)
UNCHANGED: Final = OpenApiResponse(description="What you have is what you would get.")
NOT_ALLOWED: Final = "Your role does not allow this, or the CSRF token does not fit."
VENDOR_FAILS: Final = {
    502: "CC-iSales refuses the question or our keys, or answers nonsense.",
    503: "CC-iSales cannot be reached or is busy; see `Retry-After`.",
    504: "CC-iSales is too slow.",
}
UNAVAILABLE_EXAMPLE: Final = problem_example(
    503,
    "CC-iSales cannot be reached",
    "CC-iSales does not answer, or answers with a fault.",
    problem="upstream-unavailable",
    next_step="Nothing is lost. Try again in a moment; if it lasts, tell your admin.",
    vendor_request="0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
    retry_after=5,
    as_of=_TIME,
)


class CompleteSchema(AutoSchema):
    """Adds tags, the scope of the token, and problems with examples."""

    def get_tags(self) -> list[str]:
        """Return the tag for the subject in the address."""
        return [next((tag for part, tag in _TAGS if part in self.path), "Other")]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Build the operation; None for a view that is not in the schema."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            self._complete(operation)
        return operation

    def _complete(self, operation: dict[str, Any]) -> None:
        scope = get_needed_scope(self.view, self.method)
        description = operation.get("description") or f"{operation['summary']}."
        operation["description"] = (
            f"{description}\n\nToken scope: `{scope.value if scope else ''}`."
        )
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter.setdefault("description", _PATH.get(parameter["name"], ""))
        responses = operation["responses"]
        problems = _ALWAYS | (_WITH_BODY if "requestBody" in operation else {})
        if "{vdn_id}" in self.path and "404" not in responses:
            problems |= _IN_A_VDN
        for code, text in problems.items():
            _add_problem(responses, str(code), text)
        for status, response in responses.items():
            response["description"] = response["description"] or HTTPStatus(int(status)).phrase
            self._add_examples(status, response)
            if status in _HEADERS:
                response["headers"] = response.get("headers", {}) | _HEADERS[status]
        operation["responses"] = dict(sorted(responses.items()))

    def _add_examples(self, status: str, response: dict[str, Any]) -> None:
        """Add missing examples, made from the fields or, for problems, from the description."""
        for media_type, content in response.get("content", {}).items():
            if "examples" in content:
                continue
            if media_type == MEDIA_TYPE:
                detail = re.split(r"(?<=\.) ", response["description"])[0]
                value = _problem(int(status), HTTPStatus(int(status)).phrase, detail)
            else:
                value = self._build_example(content["schema"])
            content["examples"] = {"Example": {"value": value}}

    def _build_example(self, schema: dict[str, Any]) -> Any:
        """Build an example from those of the fields."""
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._build_example(self.registry[name, ResolvedComponent.SCHEMA].schema)
        if "anyOf" in schema:
            return self._build_example(schema["anyOf"][-1])
        match schema.get("type"):
            case "object":
                properties = schema.get("properties", {})
                return {name: self._build_example(part) for name, part in properties.items()}
            case "array":
                return [self._build_example(schema["items"])] if "items" in schema else []
            case "null":
                return None
            case "string":
                time = schema.get("format") == "date-time"
                return _TIME if time else schema.get("enum", [""])[0]
            case "boolean":
                return False
        return 0


def _add_problem(responses: dict[str, Any], status: str, text: str) -> None:
    """Add a problem, or the text to the description of an existing one."""
    found = responses.get(status)
    if found is None:
        schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
        responses[status] = {"content": {MEDIA_TYPE: {"schema": schema}}, "description": text}
    else:
        found["description"] = text if status == "429" else f"{found['description']} {text}"
