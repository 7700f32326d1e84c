"""Django's admin: people, their access and tokens, VDNs, and read-only lists of other records.

Admins see the VDNs where they are admin, and people without access to other VDNs; superusers see
everything. The querysets contain no other rows, so these cannot be listed, chosen, changed or
deleted.

There are no autocomplete fields, since Select2 writes style attributes, which our
Content-Security-Policy forbids.
"""

from __future__ import annotations

from isales_proxy.admin import groups, people, records, tokens, vdns

__all__ = ["groups", "people", "records", "tokens", "vdns"]
