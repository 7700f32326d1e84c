"""Answers as the schema shows them: operation and status → one example."""

from __future__ import annotations

from typing import Any, Final

_CODE: Final = {
    "code": "00604",
    "text_en": "The call is rejected.",
    "text_zh": "呼叫拒绝",
    "category": "customer",
    "meaning_en": "The call was rejected.",
    "meaning_zh": "呼叫被拒绝。",
    "step_en": "Do not call again at once.",
    "step_zh": "不要立即再次呼叫。",
    "edited": False,
    "seen_7d": 12,
    "first_seen": "2025-05-15T02:02:01Z",
    "last_seen": "2025-05-31T03:17:00Z",
    "gone_at": None,
}
_CODE_CHANGE: Final = {
    "code": "00604",
    "kind": "reworded",
    "before": {"zh": "呼叫拒绝", "en": "The call is rejected."},
    "after": {"zh": "呼叫被拒绝", "en": "The call was rejected."},
}
_BATCH: Final = {
    "id": 41,
    "service_id": "1251250797",
    "task_name": "Renewal",
    "state": "taken",
    "batch_count": 10,
    "received": 1,
    "asked_at": "2025-05-31T06:30:00Z",
    "asked_by": "maria",
    "reason": "Weekly check",
    "answered_at": "2025-05-31T06:30:01Z",
    "http_status": 200,
    "complete": True,
    "vendor_code": "0",
    "problem": "",
    "vendor_request": "0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
    "next_step": "",
    "purged_at": None,
}
_DATUM: Final = {
    "id": 512,
    "position": 1,
    "service_id": "1251250797",
    "unique_id": "21713676089219765504",
    "phone_numbers": ["15800000001"],
    "caller_number": "4000000000",
    "call_data": "",
    "ie_data": "",
    "ie": {"elements": [], "sip_headers": [], "rest": ""},
    "raw": {"uniqueId": "21713676089219765504", "phoneNum": ["15800000001"]},
}
_BATCH_WITH_ROWS: Final = {**_BATCH, "results": [_DATUM]}
_WRITE_BACK: Final = {
    "id": 7,
    "state": "waiting",
    "unique_id": "21713676089219765504",
    "service_id": "1251250797",
    "phone_number": "",
    "fail_code": "00604",
    "fail_code_text": "Call rejected by the called party.",
    "reservation": "",
    "created_at": "2025-05-31T06:30:15Z",
    "created_by": "maria",
    "attempts": 0,
    "next_at": "2025-05-31T06:30:15Z",
    "finished_at": None,
    "vendor_code": "",
    "problem": "",
    "body": {
        "subCCNo": 1,
        "vdnId": 88,
        "uniqueId": "21713676089219765504",
        "serviceId": "1251250797",
        "deviceType": 5,
        "failCode": "00604",
        "writeStartTime": "2025-05-31 06:30:00",
        "endCallTime": "2025-05-31 06:30:12",
    },
}
_ATTEMPT: Final = {
    "number": 1,
    "started_at": "2025-05-31T06:30:16Z",
    "finished_at": "2025-05-31T06:30:17Z",
    "worker": "host-1:4711",
    "outcome": "ok",
    "maybe_sent": True,
    "http_status": 200,
    "vendor_code": "0",
    "problem": "",
    "vendor_request": "0c6f3fd7a2a54d0f8f6f0f4f4b1c2d3e",
}
_STORY: Final = {**_WRITE_BACK, "journal": []}
_DELIVERED: Final = {
    **_WRITE_BACK,
    "state": "delivered",
    "attempts": 1,
    "next_at": None,
    "finished_at": "2025-05-31T06:30:17Z",
    "vendor_code": "0",
    "journal": [_ATTEMPT],
}

ANSWERS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("vdns", "200"): {
        "count": 1,
        "page": 1,
        "size": 1000,
        "results": [
            {
                "id": 88,
                "name": "Support",
                "time_zone": "Asia/Shanghai",
                "role": "supervisor",
                "agent_account": "",
            }
        ],
    },
    ("result_codes", "200"): {
        "count": 1,
        "as_of": "2025-05-31T03:17:00Z",
        "results": [_CODE],
        "unknown": [{"code": "98765", "seen_7d": 3}],
    },
    ("result_codes_refresh", "200"): {
        "kept": 119,
        "added": 0,
        "reworded": 1,
        "removed": 0,
        "read_at": "2025-05-31T06:30:00Z",
        "applied": True,
        "changes": [_CODE_CHANGE],
    },
    ("result_codes_history", "200"): {
        "count": 1,
        "page": 1,
        "size": 25,
        "results": [
            {
                "id": 7,
                "at": "2025-05-31T06:30:05Z",
                "kind": "person",
                "by": "maria",
                "added": 0,
                "reworded": 1,
                "removed": 0,
                "changes": [_CODE_CHANGE],
            }
        ],
    },
    ("tasks", "200"): {
        "count": 1,
        "page": 1,
        "size": 1000,
        "as_of": "2025-05-31T06:30:00Z",
        "source": "live",
        "results": [{"service_id": "1251250797", "name": "Renewal"}],
    },
    ("call_data_take", "200"): _BATCH_WITH_ROWS,
    ("call_data_take", "201"): _BATCH_WITH_ROWS,
    ("call_data_take", "202"): {
        **_BATCH_WITH_ROWS,
        "state": "asked",
        "received": 0,
        "answered_at": None,
        "http_status": None,
        "vendor_code": "",
        "results": [],
    },
    ("call_data_batches", "200"): {"count": 1, "page": 1, "size": 25, "results": [_BATCH]},
    ("call_data_batch", "200"): _BATCH_WITH_ROWS,
    ("write_backs", "200"): {
        "count": 1,
        "page": 1,
        "size": 25,
        "counts": {"waiting": 1, "delivered": 0, "refused": 0, "given-up": 0, "cancelled": 0},
        "results": [_WRITE_BACK],
    },
    ("write_back_new", "201"): _STORY,
    ("write_back", "200"): _DELIVERED,
    ("write_back_retry", "200"): _STORY,
    ("write_back_cancel", "200"): {
        **_STORY,
        "state": "cancelled",
        "next_at": None,
        "finished_at": "2025-05-31T06:31:00Z",
    },
}
