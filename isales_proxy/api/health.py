"""`/healthz`, `/readyz`, `/metrics`: for monitoring."""

from __future__ import annotations

import ipaddress
import os
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from isales_proxy.core import health

_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP")
_FORWARDED_PREFIX: Final = "HTTP_X_FORWARDED_"
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer while this process runs; nothing else is checked."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Report the state of database, cache, jobs and vendor; 503 when we cannot serve people."""
    ready, parts = health.check_readiness()
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Export to Prometheus: with METRICS_TOKEN set to its bearer only, else to loopback only."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    elif not _is_from_this_machine(request):
        raise Http404
    return HttpResponse(generate_latest(_get_registry()), content_type=CONTENT_TYPE_LATEST)


def _is_from_this_machine(request: HttpRequest) -> bool:
    """Tell whether it is a direct client on loopback.

    The client behind a proxy may be anyone. A proxy adds headers that name the client, or asks for
    a public host.
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
    """Get the metrics of this process, or of all processes where they share a directory."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared
