"""What an examination must tell of ourselves: the versions, and the settings in effect."""

from __future__ import annotations

import platform
import ssl
import tomllib
from urllib.parse import urlsplit

import django
from django.conf import settings

from isales_proxy.client.config import ObsAuth
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.diagnostics.findings import SettingsFinding
from isales_proxy.models import Vdn
from isales_proxy.vendor import vdn_keys


def get_versions() -> tuple[str, ...]:
    """What this process is made of."""
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]
    return (
        f"Callboard {project['version']}",
        f"Python {platform.python_version()}",
        f"Django {django.get_version()}",
        " ".join(ssl.OPENSSL_VERSION.split()[:2]),
    )


def get_settings(vdn: Vdn) -> SettingsFinding:
    """The settings by which the vendor is asked for this VDN."""
    found = get_isales_settings()
    return SettingsFinding(
        demo=found.demo,
        campaigns=_kind_of(found.base_url),
        # In demo mode the simulator stands in for the OBS interfaces too, whatever is set.
        obs="" if found.demo else _kind_of(found.obs_base_url),
        obs_auth=str(ObsAuth.APP if found.demo else found.obs_auth),
        header="Authorization" if found.demo else found.obs_auth_header,
        own_keys=tuple(sorted(vdn_keys.list_own_keys(vdn))),
        own_ca=bool(found.ca_bundle),
        connect_timeout=found.connect_timeout,
        read_timeout=found.read_timeout,
        deadline=found.deadline,
        longest_call=found.longest_call,
        max_page_size=found.max_page_size,
        page_cache_seconds=found.page_cache_seconds,
        cc_id=vdn.cc_id,
        time_format=found.time_format,
        time_format_zone=found.time_format_zone,
    )


def _kind_of(address: str) -> str:
    """`https:port` for an address that names its port, `https` for another, "" for none."""
    if not address:
        return ""
    parts = urlsplit(address)
    return f"{parts.scheme}:port" if parts.port else parts.scheme
