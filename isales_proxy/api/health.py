"""`/healthz`, `/readyz`, `/metrics`: for monitoring."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port, validate_host
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from isales_proxy.core import health
from isales_proxy.mirror import mirror_status
from isales_proxy.mirror.mirror_status import MirrorStatus
from isales_proxy.models import Vdn

_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP")
_FORWARDED_PREFIX: Final = "HTTP_X_FORWARDED_"
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Respond while this process runs, without further checks."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Report the state of database, cache, jobs, vendor and mirrors; 503 if requests cannot be
    served. An outdated mirror is no reason, since pages show its age."""
    ready, parts = health.check_readiness()
    parts["mirrors"] = _describe_mirrors()
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Export metrics to the bearer of METRICS_TOKEN or, if that is not set, on loopback only."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    elif not _is_from_this_machine(request):
        raise Http404
    content = generate_latest(_get_registry()) + generate_latest(_MirrorCollector())
    return HttpResponse(content, content_type=CONTENT_TYPE_LATEST)


class _MirrorCollector:
    """Collector of the mirrors' state, read from the database."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge per fact, labelled by VDN."""
        mirrors = _describe_mirrors()
        for name, text in _MIRROR_FACTS.items():
            gauge = GaugeMetricFamily(f"callboard_mirror_{name}", text, labels=["vdn"])
            for vdn, facts in mirrors.items():
                if (value := facts[name]) is not None:
                    gauge.add_metric([vdn], float(value))
            yield gauge


_MIRROR_FACTS: Final = {
    "enabled": "1 while the mirror is switched on.",
    "led": "1 while a sweeper has the lease.",
    "age_seconds": "Age of the oldest part; absent before the first round.",
    "round_complete": "1 when the last round over everything was complete.",
    "unconfirmed_rows": "Rows that are missing and not called gone.",
}


def _describe_mirrors() -> dict[str, dict[str, float | None]]:
    """Return the `_MIRROR_FACTS` of each enabled mirror, by VDN."""
    try:
        enabled = Vdn.objects.enabled().values_list("pk", flat=True)
        statuses = mirror_status.list_statuses(enabled, timezone.now())
    except DatabaseError:
        return {}
    return {
        str(status.vdn_id): {
            "enabled": status.state.enabled,
            "led": status.is_led,
            "age_seconds": _get_age(status),
            "round_complete": status.state.round_complete,
            "unconfirmed_rows": status.state.guard_rows,
        }
        for status in statuses
    }


def _get_age(status: MirrorStatus) -> float | None:
    """Return the age of the oldest part in seconds; None if a part was never read."""
    oldest = status.oldest
    return None if oldest is None else max(0.0, (status.now - oldest).total_seconds())


def _is_from_this_machine(request: HttpRequest) -> bool:
    """Return True if the client is on loopback and not behind a proxy.

    Proxies add headers that name the client, or request a public host.
    """
    forwarded = (name in _FORWARDED or name.startswith(_FORWARDED_PREFIX) for name in request.META)
    host = split_domain_port(request.get_host())[0]
    if any(forwarded) or (host not in _LOCAL_NAMES and validate_host(host, settings.PUBLIC_HOSTS)):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _get_registry() -> CollectorRegistry:
    """Return the metrics of this process, or of all processes that share a directory."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared
