"""The tables: people, VDNs, codes, call data, results to write back, the mirror, the audit."""

from __future__ import annotations

from isales_proxy.models.audit import AuditAction, AuditEvent, AuditHead
from isales_proxy.models.codes import (
    CodeCategory,
    CodeNote,
    CodeRefresh,
    CodeSighting,
    RefreshKind,
    ResultCode,
)
from isales_proxy.models.exports import ExportJob, ExportState
from isales_proxy.models.form_drafts import FormDraft
from isales_proxy.models.mirror import (
    CLOSED_PHASES,
    OPEN_END,
    ChangeKind,
    CountedBy,
    LeafKind,
    MirrorAgent,
    MirrorBusinessResult,
    MirrorCount,
    MirroredFields,
    MirrorLeaf,
    MirrorLook,
    MirrorName,
    MirrorRow,
    MirrorState,
    MirrorSuppression,
    MirrorTask,
    MirrorVersion,
    Phase,
    VendorCalls,
)
from isales_proxy.models.outbound import BatchState, CallDataBatch, CallDatum, TaskName
from isales_proxy.models.people import (
    Access,
    Role,
    User,
    comparable_username,
    validate_agent_account,
)
from isales_proxy.models.sign_in import SignInAttempt
from isales_proxy.models.tokens import ApiToken, TokenScope
from isales_proxy.models.vdns import BearerToken, Vdn, VdnCredentials, VendorUse, validate_time_zone
from isales_proxy.models.write_backs import WriteBack, WriteBackAttempt, WriteBackState

__all__ = [
    "CLOSED_PHASES",
    "OPEN_END",
    "Access",
    "ApiToken",
    "AuditAction",
    "AuditEvent",
    "AuditHead",
    "BatchState",
    "BearerToken",
    "CallDataBatch",
    "CallDatum",
    "ChangeKind",
    "CodeCategory",
    "CodeNote",
    "CodeRefresh",
    "CodeSighting",
    "CountedBy",
    "ExportJob",
    "ExportState",
    "FormDraft",
    "LeafKind",
    "MirrorAgent",
    "MirrorBusinessResult",
    "MirrorCount",
    "MirrorLeaf",
    "MirrorLook",
    "MirrorName",
    "MirrorRow",
    "MirrorState",
    "MirrorSuppression",
    "MirrorTask",
    "MirrorVersion",
    "MirroredFields",
    "Phase",
    "RefreshKind",
    "ResultCode",
    "Role",
    "SignInAttempt",
    "TaskName",
    "TokenScope",
    "User",
    "Vdn",
    "VdnCredentials",
    "VendorCalls",
    "VendorUse",
    "WriteBack",
    "WriteBackAttempt",
    "WriteBackState",
    "comparable_username",
    "validate_agent_account",
    "validate_time_zone",
]
