"""The shapes of the write-backs in JSON, for the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.models import WriteBackState
from isales_proxy.write_backs.fields import BY_NAME, DEVICE_TYPES
from isales_proxy.write_backs.forms import LONGEST_KEY, LONGEST_RESERVATION

_TIME = "ISO 8601 with its offset from UTC."


@extend_schema_field({"type": "object", "additionalProperties": True})
class BodyField(serializers.DictField):
    """The request in the vendor's spelling."""


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
        r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]))?$",
        "examples": ["2025-05-31T14:30:00+08:00"],
    }
)
class TimeField(serializers.CharField):
    """A time with its offset; the form reads it."""


class WriteBackRequestFields(serializers.Serializer[Any]):
    """A result to be written back. What is left out stays unsaid."""

    unique_id = serializers.CharField(
        max_length=BY_NAME["unique_id"].length, help_text="Unique ID of the row of call data."
    )
    service_id = serializers.CharField(max_length=MAX_TEXT, help_text="ID of the outbound task.")
    fail_code = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=BY_NAME["fail_code"].length,
        help_text="An OBS result code of the VDN's table, leading zeros kept.",
    )
    status = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=BY_NAME["status"].length,
        help_text="The vendor leaves the values open; call results elsewhere have 5 failed, "
        "6 succeeded.",
    )
    device_type = serializers.ChoiceField(
        required=False,
        allow_null=True,
        choices=[(int(number), number) for number in DEVICE_TYPES],
        help_text="1 intelligent IVR, 2 predictive, 3 automatic IVR, 5 preview, 6 preempted.",
    )
    phone_number = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_TEXT
    )
    asr_result = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_TEXT
    )
    fetch_time = TimeField(
        required=False, allow_null=True, help_text=f"When the call data was obtained. {_TIME}"
    )
    write_start_time = TimeField(
        required=False, allow_null=True, help_text=f"When the call began. {_TIME}"
    )
    end_call_time = TimeField(
        required=False, allow_null=True, help_text=f"When the call ended. {_TIME}"
    )
    call_id = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_TEXT
    )
    reservation = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=LONGEST_RESERVATION,
        help_text="ID of the reservation that this is about; for our own records.",
    )
    key = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=LONGEST_KEY,
        help_text="Your own name for this request: sent twice with the same key it is stored once.",
    )


class AttemptFields(serializers.Serializer[Any]):
    """One line of the journal."""

    number = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True, help_text="null: under way.")
    worker = serializers.CharField()
    outcome = serializers.CharField(
        help_text="ok, refused, misdirected (what answers at the address set is not CC-iSales), "
        "unreachable, timed_out, throttled, credentials_refused, token_ended (there is a "
        "new one by now), bad_answer, lost (its worker "
        "ended before the answer was known), unfit, broken; empty: under way."
    )
    maybe_sent = serializers.BooleanField(
        help_text="Whether the vendor may have carried it out, whatever we know of the answer."
    )
    http_status = serializers.IntegerField(allow_null=True)
    vendor_code = serializers.CharField()
    problem = serializers.CharField(help_text="The vendor's words, or ours.")
    vendor_request = serializers.CharField(help_text="The vendor call in the logs.")


class WriteBackFields(serializers.Serializer[Any]):
    """A write-back as it stands."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=WriteBackState.choices)
    unique_id = serializers.CharField()
    service_id = serializers.CharField()
    phone_number = serializers.CharField()
    fail_code = serializers.CharField()
    fail_code_text = serializers.CharField(
        help_text="The result code in the language of the request; empty if unknown."
    )
    reservation = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(
        allow_null=True, help_text="The next attempt is not before; null when none will come."
    )
    finished_at = serializers.DateTimeField(allow_null=True)
    vendor_code = serializers.CharField()
    problem = serializers.CharField(help_text="Of the last attempt: the vendor's words, or ours.")
    body = BodyField(help_text="The request exactly as it is sent.")


class WriteBackDetailFields(WriteBackFields):
    """A write-back with its journal."""

    journal = AttemptFields(many=True)


class WriteBackCounts(serializers.Serializer[Any]):
    """How many there are in each state, under the same filter."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """One figure a state."""
        return {state.value: serializers.IntegerField() for state in WriteBackState}


class WriteBackPageFields(serializers.Serializer[Any]):
    """One page of the outbox, newest first."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    counts = WriteBackCounts()
    results = WriteBackFields(many=True)
