"""Shared parts of the API: the base view, the shapes of bodies, and paging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from django.http import HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.cache import add_never_cache_headers, get_conditional_response
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from pydantic import BaseModel, ConfigDict, Field
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from isales_proxy.api.errors import InvalidRequest, invalid_value, list_messages, unknown_fields
from isales_proxy.api.permissions import READS, Needs
from isales_proxy.core.form_fields import PageFilter, Row, ShortListFilter
from isales_proxy.core.input_cleaning import CleanedJson
from isales_proxy.problems import respond

FilterForm = TypeVar("FilterForm", bound=PageFilter | ShortListFilter)


class ResponseBody(BaseModel):
    """The body of a response, serialised and documented by this model.

    Its example in the schema consists of the examples of its fields.
    """

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def build(cls, source: object, **more: Any) -> Self:
        """Build the body from the attributes of a row; `more` adds or replaces values."""
        return cls.model_validate({**vars(source), **more})

    def respond(self, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Build the response."""
        return Response(self.model_dump(mode="json"), status=status, headers=headers)


class PageBody(ResponseBody):
    """One page of a list."""

    count: int = Field(description="Rows of all pages.", examples=[1])
    page: int = Field(examples=[1])
    size: int = Field(description="Rows a page.", examples=[25])


class RequestBody(CleanedJson, serializers.Serializer[Any]):
    """The body of a request, validated and documented by this serializer."""

    @classmethod
    def parse(cls, request: Request) -> dict[str, Any]:
        """Validate the body, one JSON object without unknown fields. Raises InvalidRequest."""
        given = _get_object(request)
        serializer = cls(data=given)
        if errors := unknown_fields(given.keys() - serializer.fields):
            raise invalid_value(errors)
        if not serializer.is_valid():
            raise invalid_value(list_messages(serializer.errors))
        return dict(serializer.validated_data)


class TextField(serializers.CharField):
    """A JSON string, validated further by a form; other types are refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raises ValidationError for other types."""
        if not isinstance(data, str):
            raise serializers.ValidationError(_("Send this as text."))
        return data


class PersonalView(APIView):
    """A view whose responses contain personal data and must not be cached.

    `needs` is the scope of the token by method; methods that are not declared need the highest one.
    """

    needs: ClassVar[Needs] = READS

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """Forbid caching."""
        response = super().finalize_response(*args, **kwargs)
        add_never_cache_headers(response)
        return response


class Schema(SpectacularJSONAPIView):
    """`/api/schema/`"""

    needs = READS


@extend_schema(exclude=True)
class NotFound(APIView):
    """Any other address below `/api/`: 404 as problem+json, 401 for anonymous requests."""

    needs = READS

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Respond to all methods alike; redirect an address that only lacks its last slash."""
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - DRF's own handling of whatever comes up
            return self.finalize_response(self.request, self.handle_exception(error))
        if request.method in {"GET", "HEAD"} and _lacks_slash(request.path):
            return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
        return respond(404, _("There is no such address."))


def validate(form: FilterForm) -> FilterForm:
    """Return the valid form. Raises InvalidRequest."""
    if not form.is_valid():
        raise InvalidRequest(list_messages(form.errors))
    return form


def paginate(request: Request, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the requested page of a short list: the fields of a PageBody, and `results`.

    Raises InvalidRequest.
    """
    form = validate(ShortListFilter(request.query_params))
    return {
        "count": len(rows),
        "page": form.cleaned_data["page"],
        "size": form.cleaned_data["size"],
        "results": form.cut(rows),
    }


def hash_body(data: Any) -> str:
    """Return a hash of a response body."""
    return hashlib.sha256(JSONRenderer().render(data)).hexdigest()


def respond_unless_known(request: Request, response: Response, etag: str) -> HttpResponseBase:
    """Return the response with its `ETag` (quoted), or 304 if the client has the same."""
    response["ETag"] = etag
    found = get_conditional_response(request._request, etag=etag, response=response)  # noqa: SLF001
    return response if found is None else found


def require_nothing(request: Request, *, parameters: Iterable[str] = ()) -> None:
    """Raise InvalidRequest if the request has a body, or query parameters other than these."""
    try:
        body: Iterable[str] = _get_object(request)
    except UnsupportedMediaType:
        # A form, mostly empty.
        body = {*request._request.POST} - {"csrfmiddlewaretoken"}  # noqa: SLF001
    unknown = {*request.query_params} - {*parameters}
    if errors := unknown_fields(sorted([*unknown, *body])):
        raise invalid_value(errors)


def _get_object(request: Request) -> Mapping[str, Any]:
    """Return the body. Raises InvalidRequest unless it is one JSON object."""
    if not isinstance(request.data, Mapping):
        raise invalid_value({"non_field_errors": [_("Send one JSON object.")]})
    return request.data


def _lacks_slash(path: str) -> bool:
    try:
        found = resolve(f"{path}/")
    except Resolver404:
        return False
    return not path.endswith("/") and found.url_name != "api-nothing"
