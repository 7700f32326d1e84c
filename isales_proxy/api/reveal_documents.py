"""What the schema says of revealing a number."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers

from isales_proxy.api.documents import (
    AWAY,
    RETRY_AFTER,
    STRANGER,
    VENDOR,
    problem_example,
    problems,
)
from isales_proxy.reveals.services import LONGEST_REASON, SECONDS, SHORTEST_REASON


class RevealRequestFields(serializers.Serializer[Any]):
    """Why a number is needed."""

    reason = serializers.CharField(
        min_length=SHORTEST_REASON, max_length=LONGEST_REASON, help_text="Kept by the audit."
    )


class RevealedFields(serializers.Serializer[Any]):
    """The numbers of one reservation, whole."""

    called_no = serializers.CharField(allow_null=True, help_text="The number to call.")
    caller_no = serializers.CharField(allow_null=True, help_text="The number that calls.")
    seconds = serializers.IntegerField(help_text="For how long it may be shown to a person.")


reveal: Final = extend_schema(
    operation_id="reservation_reveal",
    summary="Have the numbers of a reservation shown",
    description=(
        "For who may not see numbers but may have one shown. Each is audited with its reason and "
        "counts towards the person's budget of the day in the VDN's time zone; what cannot be "
        "audited is not shown. A reservation is found by its ID once a list has shown it."
    ),
    request=RevealRequestFields,
    parameters=[RETRY_AFTER],
    responses={
        200: RevealedFields,
        **STRANGER,
        **problems(
            s403="You see numbers anyway, or may have none shown, or the CSRF token does not fit.",
            s404="No such VDN or reservation, or none of yours.",
            s422="The reason is missing, too short or too long.",
            s429="The budget of the day is spent, or too many requests; see `Retry-After`.",
        ),
        **VENDOR,
    },
    examples=[
        OpenApiExample(
            "a reason", request_only=True, value={"reason": "Calling the customer back"}
        ),
        OpenApiExample(
            "the numbers",
            response_only=True,
            status_codes=["200"],
            value={"called_no": "15800000001", "caller_no": None, "seconds": SECONDS},
        ),
        problem_example(
            429,
            "",
            "Too Many Requests",
            "You have had as many numbers shown today as one may. Nothing is shown.",
            retry_after=3600,
        ),
        AWAY,
    ],
)
