"""The VDN whose mirror is tested."""

from __future__ import annotations

import pytest

from isales_proxy.models import Vdn


@pytest.fixture
def vdn(db: None) -> Vdn:
    return Vdn.objects.update_or_create(pk=88, defaults={"name": "Support"})[0]
