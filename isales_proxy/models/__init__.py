"""The tables: people, VDNs, codes, call data taken, results to write back, and the audit."""

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
    "Access",
    "ApiToken",
    "AuditAction",
    "AuditEvent",
    "AuditHead",
    "BatchState",
    "BearerToken",
    "CallDataBatch",
    "CallDatum",
    "CodeCategory",
    "CodeNote",
    "CodeRefresh",
    "CodeSighting",
    "ExportJob",
    "ExportState",
    "FormDraft",
    "RefreshKind",
    "ResultCode",
    "Role",
    "SignInAttempt",
    "TaskName",
    "TokenScope",
    "User",
    "Vdn",
    "VdnCredentials",
    "VendorUse",
    "WriteBack",
    "WriteBackAttempt",
    "WriteBackState",
    "comparable_username",
    "validate_agent_account",
    "validate_time_zone",
]
