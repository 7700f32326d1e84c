"""The shapes of tasks and call data in JSON, for the schema and for what is sent to us."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from isales_proxy.client.queries import MAX_BATCH
from isales_proxy.core.input_cleaning import CleanedJson
from isales_proxy.models import BatchState

LONGEST_REASON: Final = 300


class TaskFields(serializers.Serializer[Any]):
    """One outbound task."""

    service_id = serializers.CharField(help_text="The vendor's ID of the task.")
    name = serializers.CharField(help_text="Learnt from reservations; empty while none told it.")


class TaskListFields(serializers.Serializer[Any]):
    """The tasks of a VDN and where the list comes from."""

    count = serializers.IntegerField(help_text="Of all pages.")
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    as_of = serializers.DateTimeField(help_text="When the vendor gave this list.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # DRF has one of that name
        choices=[("live", "live"), ("cache", "cache")],
        help_text="Asked just now, or answered a moment ago.",
    )
    results = TaskFields(many=True)


@extend_schema_field({"type": "boolean", "enum": [True]})
class ConfirmField(serializers.Field[bool, Any, bool, Any]):
    """JSON's `true` and nothing else: a confirmation is not read into another value."""

    def to_internal_value(self, data: Any) -> bool:
        """Raises ValidationError for anything but true."""
        if data is not True:
            raise serializers.ValidationError(_("Send true."))
        return True

    def to_representation(self, value: bool) -> bool:
        """The value itself."""
        return value


class CallDataRequestFields(CleanedJson, serializers.Serializer[Any]):
    """How much call data to take, and why."""

    batch_count = serializers.IntegerField(
        min_value=1, max_value=MAX_BATCH, help_text="Rows at most."
    )
    confirm = ConfirmField(help_text="true: you know that this uses the numbers up.")
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=LONGEST_REASON, help_text="For the audit."
    )
    key = serializers.UUIDField(
        required=False,
        help_text="Your own name for this request: sent twice with the same key it takes once.",
    )


class PairField(serializers.ListField):
    """A name and its value."""

    child = serializers.CharField()


class IeElementFields(serializers.Serializer[Any]):
    """One information element."""

    name = serializers.CharField()
    fields = serializers.ListField(child=PairField())  # type: ignore[assignment]  # DRF has one


class IeFields(serializers.Serializer[Any]):
    """`ie_data` in its parts."""

    elements = IeElementFields(many=True)
    sip_headers = serializers.ListField(child=PairField())
    rest = serializers.CharField(help_text="What has no known form.")


@extend_schema_field({"type": "object", "additionalProperties": True})
class RawField(serializers.DictField):
    """The row in the vendor's spelling."""


class CallDatumFields(serializers.Serializer[Any]):
    """One row of call data; each text may be empty."""

    id = serializers.IntegerField()
    position = serializers.IntegerField(help_text="From 1, in the vendor's order.")
    service_id = serializers.CharField()
    unique_id = serializers.CharField()
    phone_numbers = serializers.ListField(child=serializers.CharField())
    caller_number = serializers.CharField()
    call_data = serializers.CharField()
    ie_data = serializers.CharField()
    ie = IeFields()
    raw = RawField()


class BatchFields(serializers.Serializer[Any]):
    """One reading of call data."""

    id = serializers.IntegerField()
    service_id = serializers.CharField()
    task_name = serializers.CharField()
    state = serializers.ChoiceField(
        choices=BatchState.choices,
        help_text="asked: under way; taken; unreadable: an answer came and is kept; "
        "refused: none was handed out; unknown: the answer never came; lost: it came and could not "
        "be stored, its rows are in the answer to the request that took them and nowhere else.",
    )
    batch_count = serializers.IntegerField(help_text="Rows asked for.")
    received = serializers.IntegerField(help_text="Rows that came.")
    asked_at = serializers.DateTimeField()
    asked_by = serializers.CharField()
    reason = serializers.CharField()
    answered_at = serializers.DateTimeField(allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    complete = serializers.BooleanField(help_text="false: the answer was cut short.")
    vendor_code = serializers.CharField()
    problem = serializers.CharField(help_text="The vendor's words, or ours.")
    vendor_request = serializers.CharField(help_text="The vendor call in the logs.")
    next_step = serializers.CharField(help_text="What a person can do; empty if nothing.")
    purged_at = serializers.DateTimeField(
        allow_null=True, help_text="When its rows were deleted after their time."
    )


class BatchPageFields(serializers.Serializer[Any]):
    """One page of batches, the newest first."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    results = BatchFields(many=True)


class BatchWithRowsFields(BatchFields):
    """A batch with all of its rows."""

    results = CallDatumFields(many=True)
