"""The shapes of the code book's JSON, for the schema and for what may be asked."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from isales_proxy.models import CodeCategory, RefreshKind

_KINDS = [(kind, kind) for kind in ("added", "removed", "reworded")]


class ResultCodeFields(serializers.Serializer[Any]):
    """One OBS result code in both languages."""

    code = serializers.CharField(help_text="Leading zeros kept.")
    text_en = serializers.CharField(help_text="The vendor's words.")
    text_zh = serializers.CharField(help_text="The vendor's words.")
    category = serializers.ChoiceField(
        choices=CodeCategory.choices,
        allow_blank=True,
        help_text="On whose side the reason lies; empty where that is not known.",
    )
    meaning_en = serializers.CharField(
        help_text="In plain words; like the next three by an admin of the VDN, else as we ship it."
    )
    meaning_zh = serializers.CharField()
    step_en = serializers.CharField(help_text="What to do next.")
    step_zh = serializers.CharField()
    edited = serializers.BooleanField(help_text="Whether an admin changed category or words.")
    seen_7d = serializers.IntegerField(
        help_text="Distinct reservations seen with this code in the last seven days (UTC)."
    )
    first_seen = serializers.DateTimeField(help_text="First listed by the vendor.")
    last_seen = serializers.DateTimeField(help_text="Last listed by the vendor.")
    gone_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the vendor no longer lists it."
    )


class UnknownCodeFields(serializers.Serializer[Any]):
    """A code that reservations bear and that the table lacks."""

    code = serializers.CharField()
    seen_7d = serializers.IntegerField()


class ResultCodeListFields(serializers.Serializer[Any]):
    """The whole code table of a VDN, those that are gone included."""

    count = serializers.IntegerField()
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When it was read; null: never yet."
    )
    results = ResultCodeFields(many=True)
    unknown = UnknownCodeFields(many=True)


class CodeTextFields(serializers.Serializer[Any]):
    """The vendor's words for one code."""

    zh = serializers.CharField()
    en = serializers.CharField()


class CodeChangeFields(serializers.Serializer[Any]):
    """What becomes of one code."""

    code = serializers.CharField()
    kind = serializers.ChoiceField(choices=_KINDS)
    before = CodeTextFields(allow_null=True, help_text="null: it was not in the table.")
    after = CodeTextFields(allow_null=True, help_text="null: it is no longer in the table.")


class RefreshFields(serializers.Serializer[Any]):
    """What a refresh did or, with `preview`, would do, in codes."""

    kept = serializers.IntegerField()
    added = serializers.IntegerField()
    reworded = serializers.IntegerField()
    removed = serializers.IntegerField(help_text="No longer listed; kept for the old rows.")
    read_at = serializers.DateTimeField()
    applied = serializers.BooleanField(help_text="false: only a preview.")
    changes = CodeChangeFields(many=True)


class CodeRefreshFields(serializers.Serializer[Any]):
    """One change of the table."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=RefreshKind.choices, help_text="What brought it about.")
    by = serializers.CharField(help_text="A person's name, or the part of the system.")
    added = serializers.IntegerField()
    reworded = serializers.IntegerField()
    removed = serializers.IntegerField()
    changes = CodeChangeFields(many=True)


class CodeHistoryFields(serializers.Serializer[Any]):
    """One page of the history, newest first."""

    count = serializers.IntegerField(help_text="Entries of the whole history.")
    page = serializers.IntegerField()
    size = serializers.IntegerField()
    results = CodeRefreshFields(many=True)
