"""`/api/v1/`: the services in JSON. Each view enters the VDN, asks one service, and dumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.api import documents
from isales_proxy.api.errors import InvalidRequest, OnlyStaleAnswer, by_field, problem
from isales_proxy.api.permissions import READS, Permits
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.core.form_fields import Row, ShortListFilter
from isales_proxy.privacy.field_policies import RESERVATION_FIELDS
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.forms import ReservationFilter
from isales_proxy.reservations.status import get_status
from isales_proxy.result_codes import services as result_codes

_FIELDS = set(RESERVATION_FIELDS)


class PersonalView(APIView):
    """Answers hold personal data: no cache between us and the reader may keep them."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid caching."""
        finished = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(finished)
        return finished


class Vdns(PersonalView):
    """`vdns/`"""

    needs = READS

    @documents.vdns
    def get(self, request: Request) -> Response:
        """Every VDN that the person may enter."""
        found = access.get_scopes(request.user)
        part, place = paginate(request, found)
        return Response({"count": len(found), **place, "results": [_vdn(scope) for scope in part]})


class Reservations(PersonalView):
    """`vdns/<id>/reservations/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_RESERVATIONS}

    @documents.reservations
    def get(self, request: Request, vdn_id: int) -> Response:
        """One page of reservations. Raises what `errors` turns into problems."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        found = reservations.list_page(scope=scope, query=_question(request, scope))
        if found.error is not None:
            raise OnlyStaleAnswer(found.error, found.as_of)
        return Response(
            {
                "count": found.total,
                "page": found.query.page,
                "size": found.query.size,
                "as_of": found.as_of,
                "source": found.source,
                "complete": found.complete,
                "results": _rows(found.rows, scope),
            }
        )


class Schema(SpectacularJSONAPIView):
    """`/api/schema/`"""

    needs = READS


@extend_schema(exclude=True)
class NotFound(APIView):
    """Any other address below `/api/`: a problem, not a page. Strangers learn nothing at all."""

    needs = READS

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """One answer to all methods; an address that only lacks its last slash is led to it."""
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - DRF's own handling of whatever comes up
            return self.finalize_response(self.request, self.handle_exception(error))
        if request.method in {"GET", "HEAD"} and _lacks_slash(request.path):
            return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
        return problem(404, _("There is no such address."))


def paginate(request: Request, rows: Sequence[Row]) -> tuple[Sequence[Row], dict[str, int]]:
    """The page of a short list that the question is for, and which that is.

    Raises InvalidQuestion.
    """
    form = ShortListFilter(request.query_params)
    if not form.is_valid():
        raise InvalidRequest(by_field(form.errors))
    place = {name: form.cleaned_data[name] for name in ("page", "size")}
    return form.cut(rows), place


def _lacks_slash(path: str) -> bool:
    try:
        found = resolve(f"{path}/")
    except Resolver404:
        return False
    return not path.endswith("/") and found.url_name != "api-nothing"


def _question(request: Request, scope: Scope) -> ReservationQuery:
    """The frozen query, its times read in the reader's zone. Raises InvalidQuestion."""
    with timezone.override(scope.zone):
        form = ReservationFilter(request.query_params, scope=scope)
        if not form.is_valid():
            raise InvalidRequest(by_field(form.errors))
        return form.query()


def _rows(rows: tuple[Reservation, ...], scope: Scope) -> list[dict[str, Any]]:
    book, late_grace = result_codes.get_book(scope.vdn), scope.vdn.late_grace
    now, language = timezone.now(), get_language() or "en"
    dumped = []
    for row in rows:
        meaning = book.get(row.fail_code)
        dumped.append(
            row.model_dump(mode="json", include=_FIELDS)
            | {
                "fail_code_text": meaning.text(language) if meaning else "",
                "state": get_status(row, now, late_grace=late_grace).state.value,
            }
        )
    return dumped


def _vdn(scope: Scope) -> dict[str, Any]:
    return {
        "id": scope.vdn.pk,
        "name": scope.vdn.name,
        "time_zone": scope.vdn.time_zone,
        "role": scope.role.value,
        "agent_account": scope.agent_account,
    }
