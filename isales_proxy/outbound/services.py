"""Call data: numbers that the vendor hands out once; taken on purpose, kept at once, looked at.

`taking` asks the vendor, and nothing else does; `keeping` stores what comes before anything is
done with it; `upkeep` sees to what a process left undone and to the end of the time of keeping;
`reading` shows our own rows.
"""

from __future__ import annotations

from isales_proxy.outbound.call_data import CallDataRequestResult, NoRoom, request_call_data
from isales_proxy.outbound.labels import get_advice
from isales_proxy.outbound.queries import (
    DEFAULT_SIZE,
    BatchPage,
    Export,
    RowPage,
    RowQuery,
    TaskFigures,
    export_rows,
    get_batch,
    get_datum,
    get_figures,
    get_raw_answer,
    list_all_rows,
    list_batches,
    list_rows,
)
from isales_proxy.outbound.recovery import purge, recover, settle_lost

__all__ = [
    "DEFAULT_SIZE",
    "BatchPage",
    "CallDataRequestResult",
    "Export",
    "NoRoom",
    "RowPage",
    "RowQuery",
    "TaskFigures",
    "export_rows",
    "get_advice",
    "get_batch",
    "get_datum",
    "get_figures",
    "get_raw_answer",
    "list_all_rows",
    "list_batches",
    "list_rows",
    "purge",
    "recover",
    "request_call_data",
    "settle_lost",
]
