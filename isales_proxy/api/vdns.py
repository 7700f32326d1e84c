"""`/api/v1/vdns/`: the VDNs that a person may enter."""

from __future__ import annotations

from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from isales_proxy import access
from isales_proxy.api import schema
from isales_proxy.api.base import PageBody, PersonalView, ResponseBody, paginate
from isales_proxy.models import Role


class VdnBody(ResponseBody):
    """A VDN and the reader's role in it."""

    id: int = Field(description="The vendor's number of the VDN.", examples=[88])
    name: str = Field(examples=["Support"])
    time_zone: str = Field(description="IANA name.", examples=["Asia/Shanghai"])
    role: Role
    agent_account: str = Field(description="Empty for who is no agent.", examples=["116"])


class VdnPage(PageBody):
    """One page of the VDNs that the reader may enter."""

    results: list[VdnBody]


class Vdns(PersonalView):
    """`vdns/`"""

    @schema.operation(
        operation_id="vdns",
        summary="The VDNs that you may enter",
        parameters=schema.WHOLE_LIST,
        responses={200: VdnPage},
    )
    def get(self, request: Request) -> Response:
        """List the VDNs that the person may enter."""
        page = paginate(request, access.get_scopes(request.user))
        page["results"] = [
            VdnBody.build(scope.vdn, role=scope.role, agent_account=scope.agent_account)
            for scope in page["results"]
        ]
        return VdnPage(**page).respond()
