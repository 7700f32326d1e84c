"""Django's admin: people, their access and tokens, VDNs; result codes and the audit to look at.

An admin finds the VDNs where they are admin, and those people whose access ends there; superusers
find everything. What is out of reach is no row of any queryset here, so it cannot be listed,
chosen, changed or deleted.

Select2 writes style attributes, which our Content-Security-Policy forbids: no autocomplete here.
"""

from __future__ import annotations

from isales_proxy.admin import groups, people, records, tokens, vdns

__all__ = ["groups", "people", "records", "tokens", "vdns"]
