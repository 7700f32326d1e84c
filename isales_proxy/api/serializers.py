"""The shapes of the JSON, for the schema. The rows themselves are dumped by pydantic, which is far
faster; a test holds both to the same fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from isales_proxy.client.records import Reservation
from isales_proxy.models import Role
from isales_proxy.services.states import State

_WORDS = {
    "appoint_id": "ID of the reservation.",
    "call_type": "1 manual, 2 automatic (dialled five minutes before its time).",
    "appoint_time": "When the call is due.",
    "called_no": "The number to call.",
    "task_id": "ID of the outbound task.",
    "task_name": "Its name.",
    "task_status": "Its status, as the vendor tells it.",
    "timeout": "The vendor's own mark: has it expired.",
    "user_account": "Account of the agent.",
    "user_name": "Name of the agent.",
    "begin_time": "Beginning of the call.",
    "end_time": "End of the call.",
    "call_flag": "The vendor's flag of the call.",
    "caller_no": "The number that calls.",
    "fail_code": "OBS result code, leading zeros kept.",
    "result": "Result of the call.",
    "busi_result": "Business result.",
    "create_time": "When it was reserved.",
}


def _field(name: str) -> serializers.Field[Any, Any, Any, Any]:
    options: dict[str, Any] = {"allow_null": True, "help_text": _WORDS[name]}
    if name == "timeout":
        return serializers.BooleanField(**options)
    if name.endswith("_time"):
        return serializers.DateTimeField(**options)
    return serializers.CharField(**options)


class ReservationFields(serializers.Serializer[Any]):
    """The vendor's eighteen fields, each of which it may leave out, and our judgement of them."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The documented fields in their order, then ours."""
        documented = {name: _field(name) for name in Reservation.vendor_names()}
        return {
            **documented,
            "fail_code_text": serializers.CharField(
                help_text="The result code in the language of the request; empty if unknown."
            ),
            "state": serializers.ChoiceField(
                choices=[(state.value, state.value) for state in State],
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
        help_text="false: rows of other agents had to be left out of this page."
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

    count = serializers.IntegerField()
    results = VdnFields(many=True)


class ResultCodeFields(serializers.Serializer[Any]):
    """One OBS result code in both languages."""

    code = serializers.CharField()
    text_en = serializers.CharField()
    text_zh = serializers.CharField()
    category = serializers.CharField(help_text="As in the vendor's callback table; often empty.")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    gone_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the vendor no longer lists it."
    )


class ResultCodeListFields(serializers.Serializer[Any]):
    """The whole code table of a VDN."""

    count = serializers.IntegerField()
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When it was read; null: never yet."
    )
    results = ResultCodeFields(many=True)


class RefreshFields(serializers.Serializer[Any]):
    """What a refresh did, in codes."""

    kept = serializers.IntegerField()
    added = serializers.IntegerField()
    reworded = serializers.IntegerField()
    removed = serializers.IntegerField(help_text="No longer listed; kept for the old rows.")
    read_at = serializers.DateTimeField()


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
    next_step = serializers.CharField(required=False, help_text="What a person can do.")
    vendor_request = serializers.CharField(required=False, help_text="The vendor call in the logs.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds.")
    as_of = serializers.DateTimeField(
        required=False, help_text="Age of the last good answer to the same question."
    )
