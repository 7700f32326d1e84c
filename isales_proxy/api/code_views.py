"""`/api/v1/…/result-codes/`: the code book in JSON, its refresh, and its history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.api import code_documents as documents
from isales_proxy.api.errors import InvalidRequest, by_field, require_nothing
from isales_proxy.api.permissions import ADMINISTERS, READS, Permits
from isales_proxy.api.views import PersonalView
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import CodeRefresh
from isales_proxy.reservations.forms import PageFilter
from isales_proxy.result_codes import history, occurrences
from isales_proxy.result_codes import refresh as code_refresh
from isales_proxy.result_codes import services as result_codes
from isales_proxy.result_codes.book import CodeMeaning
from isales_proxy.result_codes.history import CodeChange, RefreshReport


class ResultCodes(PersonalView):
    """`vdns/<id>/result-codes/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_RESULT_CODES}

    @documents.result_codes
    def get(self, request: Request, vdn_id: int) -> HttpResponseBase:
        """The whole table, in both languages whatever the reader's is.

        No browser or proxy may keep it, as all answers; a program that kept it asks by its tag.
        """
        body = _table(access.enter(user=request.user, vdn_id=vdn_id))
        # Over the whole body, so that equal tags are equal bytes.
        etag = quote_etag(hashlib.sha256(JSONRenderer().render(body)).hexdigest())
        response = Response(body, headers={"ETag": etag})
        found = get_conditional_response(request._request, etag=etag, response=response)  # noqa: SLF001
        return found if found is not None else response


class ResultCodesRefresh(PersonalView):
    """`vdns/<id>/result-codes/refresh/`"""

    needs = ADMINISTERS
    permits: ClassVar[Permits] = {"POST": Permission.REFRESH_RESULT_CODES}

    @documents.refresh
    def post(self, request: Request, vdn_id: int) -> Response:
        """Read the table anew and apply it, or only say what it would change; for admins."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        require_nothing(request, parameters=["preview"])
        preview = _flag(request, "preview")
        report = (
            code_refresh.create_preview(scope=scope).report
            if preview
            else result_codes.refresh(scope=scope)
        )
        return Response(_report(report, applied=not preview))


class CodeHistory(PersonalView):
    """`vdns/<id>/result-codes/history/`"""

    needs = READS
    permits: ClassVar[Permits] = {"GET": Permission.SEE_RESULT_CODES}

    @documents.history
    def get(self, request: Request, vdn_id: int) -> Response:
        """One page of what changed the table."""
        scope = access.enter(user=request.user, vdn_id=vdn_id)
        form = PageFilter(request.query_params)
        if not form.is_valid():
            raise InvalidRequest(by_field(form.errors))
        page, size = form.cleaned_data["page"], form.cleaned_data["size"]
        rows, total = history.list_entries(scope=scope, page=page, size=size)
        return Response(
            {"count": total, "page": page, "size": size, "results": [_entry(row) for row in rows]}
        )


def _flag(request: Request, name: str) -> bool:
    """A parameter that is true or false; False where it is not given. Raises InvalidQuestion."""
    text = clean_text(request.query_params.get(name, "false")).strip()
    if text not in {"true", "false"}:
        raise InvalidRequest({name: [_("Must be true or false.")]})
    return text == "true"


def _table(scope: Scope) -> dict[str, Any]:
    book = result_codes.get_book(scope.vdn)
    seen = occurrences.count_recent(scope.vdn)
    unknown = sorted(seen.keys() - book.codes.keys())
    return {
        "count": len(book.codes),
        "as_of": book.read_at,
        "results": [_code(row, seen.get(row.code, 0)) for row in book.codes.values()],
        "unknown": [{"code": code, "seen_7d": seen[code]} for code in unknown],
    }


def _code(row: CodeMeaning, seen: int) -> dict[str, Any]:
    return {
        "code": row.code,
        "text_en": row.text_en,
        "text_zh": row.text_zh,
        **row.explained.texts(),
        "edited": row.explained.edited,
        "seen_7d": seen,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "gone_at": row.gone_at,
    }


def _report(report: RefreshReport, *, applied: bool) -> dict[str, Any]:
    return {
        **report.counts(),
        "read_at": report.read_at,
        "applied": applied,
        "changes": _changes(report.changes),
    }


def _entry(row: CodeRefresh) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.at,
        "kind": row.kind,
        "by": row.by,
        "added": row.added,
        "reworded": row.reworded,
        "removed": row.removed,
        "changes": _changes(history.parse_change(each) for each in row.changes),
    }


def _changes(changes: Iterable[CodeChange]) -> list[dict[str, Any]]:
    return [
        {
            "code": each.code,
            "kind": each.kind,
            "before": each.before._asdict() if each.before else None,
            "after": each.after._asdict() if each.after else None,
        }
        for each in changes
    ]
