"""Customers' numbers: nothing leaves the services unmasked for who may not see it (ADR 11).

`fields` says which fields hold a number; `masking` masks them, and `twins` does so for our own
rows. `whole_reservations` alone knows the vendor's answer as it came; `search` finds rows by a
whole number without showing others, `searches` counts that for who sees none, and `audited` tells
who searched and who looked. `reveals` shows one number to who gives a reason. `budgets` says what a
day is.
"""
