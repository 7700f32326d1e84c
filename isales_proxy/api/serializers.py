"""The shapes of the JSON, for the schema. The rows themselves are dumped by pydantic, which is far
faster; a test holds both to the same fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from isales_proxy.models import Role, TokenScope
from isales_proxy.privacy.field_policies import RESERVATION, Content, Field
from isales_proxy.reservations.status import ReservationState

RESERVATION_STATES = [(state.value, state.value) for state in ReservationState]


def _field(field: Field) -> serializers.Field[Any, Any, Any, Any]:
    words = f"{field.help} Masked for who may not see it." if field.personal else field.help
    options: dict[str, Any] = {"allow_null": True, "help_text": words}
    if field.holds is Content.FLAG:
        return serializers.BooleanField(**options)
    if field.holds is Content.TIME:
        return serializers.DateTimeField(**options)
    return serializers.CharField(**options)


class ReservationFields(serializers.Serializer[Any]):
    """The vendor's eighteen fields, each of which it may leave out, and our judgement of them."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The documented fields in their order, then ours."""
        documented = {field.name: _field(field) for field in RESERVATION}
        return {
            **documented,
            "fail_code_text": serializers.CharField(
                help_text="The result code in the language of the request; empty if unknown."
            ),
            "state": serializers.ChoiceField(
                choices=RESERVATION_STATES,
                help_text="Where the call stands at the moment of this answer.",
            ),
        }


class ReservationPageFields(serializers.Serializer[Any]):
    """One page of reservations and where it comes from."""

    count = serializers.IntegerField(help_text="Rows of the whole question.")
    page = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Rows a page, perhaps fewer than asked for.")
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When the vendor gave this answer."
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # DRF has one of that name
        choices=[("live", "live"), ("cache", "cache"), ("none", "none")],
        help_text="Asked just now, answered a moment ago to the same question, or never asked.",
    )
    complete = serializers.BooleanField(
        help_text="false: rows of other agents had to be left out of this page, or a whole number "
        "was looked for among more rows than may be looked through."
    )
    results = ReservationFields(many=True)


class VdnFields(serializers.Serializer[Any]):
    """A VDN and what the reader is in it."""

    id = serializers.IntegerField(help_text="The vendor's number of the VDN.")
    name = serializers.CharField()
    time_zone = serializers.CharField(help_text="IANA name.")
    role = serializers.ChoiceField(choices=Role.choices)
    agent_account = serializers.CharField(help_text="Empty for who is no agent.")


class VdnListFields(serializers.Serializer[Any]):
    """The VDNs that the reader may enter."""

    count = serializers.IntegerField(help_text="Of all pages.")
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    results = VdnFields(many=True)


@extend_schema_field(
    {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
)
class ErrorsField(serializers.DictField):
    """Field → messages."""


class ProblemFields(serializers.Serializer[Any]):
    """Any error, as RFC 9457 has it."""

    type = serializers.CharField(help_text="`urn:callboard:problem:…`, or `about:blank`.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    request_id = serializers.CharField(help_text="The name of this request in the logs.")
    errors = ErrorsField(  # type: ignore[assignment]  # DRF has one of that name
        required=False, help_text="422: field → messages."
    )
    problem = serializers.ChoiceField(
        choices=[
            (slug, slug)
            for slug in (
                "upstream-unavailable",
                "upstream-refused",
                "credentials",
                "bad-answer",
                "busy",
            )
        ],
        required=False,
        help_text="What is wrong with the vendor.",
    )
    code = serializers.CharField(required=False, help_text="The vendor's own code.")
    scope = serializers.ChoiceField(
        choices=TokenScope.choices, required=False, help_text="The scope that the token lacks."
    )
    next_step = serializers.CharField(required=False, help_text="What a person can do.")
    vendor_request = serializers.CharField(required=False, help_text="The vendor call in the logs.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds.")
    as_of = serializers.DateTimeField(
        required=False, help_text="Age of the last good answer to the same question."
    )
    batch = serializers.IntegerField(
        required=False, help_text="The batch of call data that this is about."
    )
