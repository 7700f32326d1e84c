"""Call data: numbers that the vendor hands out once; taken on purpose, kept at once, looked at.

`taking` asks the vendor, and nothing else does; `keeping` stores what comes before anything is
done with it; `upkeep` sees to what a process left undone and to the end of the time of keeping;
`reading` shows our own rows.
"""

from __future__ import annotations

from isales_proxy.outbound.call_data import NoRoom, Taking, take
from isales_proxy.outbound.labels import advice
from isales_proxy.outbound.queries import (
    DEFAULT_SIZE,
    BatchPage,
    Export,
    Figures,
    RowPage,
    RowQuestion,
    all_rows,
    batch,
    batches,
    datum,
    export,
    figures,
    raw_answer,
    rows,
)
from isales_proxy.outbound.recovery import purge, recover, settle_lost

__all__ = [
    "DEFAULT_SIZE",
    "BatchPage",
    "Export",
    "Figures",
    "NoRoom",
    "RowPage",
    "RowQuestion",
    "Taking",
    "advice",
    "all_rows",
    "batch",
    "batches",
    "datum",
    "export",
    "figures",
    "purge",
    "raw_answer",
    "recover",
    "rows",
    "settle_lost",
    "take",
]
