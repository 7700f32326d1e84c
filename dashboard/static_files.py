"""Storage of static files whose manifest is outside the served folder."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's storage; its public manifest would list every file to anybody."""

    manifest_name = "static-manifest.json"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        manifests = FileSystemStorage(location=settings.STATIC_ROOT.parent)
        super().__init__(*args, manifest_storage=manifests, **kwargs)
