"""Operations of the human's authority: links, codes, notices, spam, the export."""

from __future__ import annotations

from .operation_shapes import CONFLICT, CURSOR, PAGE, Operation, one_of, whole
from .schemas import oversight as au
from .schemas.authority_bodies import TargetBody, UpgradeBody
from .schemas.messages import DecisionAnswer, PageAnswer
from .schemas.requests import LinkBody, LinkDecideBody

_FORM = "application/x-www-form-urlencoded"
_LINK = (409, 410, 421)

AUTHORITY: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/oversight/{email}/approval-link"): Operation(
        {201: au.LinkAnswer}, LinkBody, errors=CONFLICT
    ),
    ("GET", "/v1/approve/{token}"): Operation({200: au.LinkedItemAnswer}, errors=_LINK, html=True),
    ("POST", "/v1/approve/{token}"): Operation(
        {200: DecisionAnswer},
        LinkDecideBody,
        errors=(403, *_LINK),
        forms={_FORM: au.LinkForm},
        html=True,
    ),
    ("POST", "/v1/mailboxes/{mailbox}/request-upgrade"): Operation(
        {202: au.UpgradeAskedAnswer}, TargetBody
    ),
    ("POST", "/v1/mailboxes/{mailbox}/upgrade"): Operation(
        {200: au.UpgradedAnswer}, UpgradeBody, errors=CONFLICT
    ),
    ("GET", "/v1/oversight/upgrade-requests"): Operation({200: au.UpgradeRequestsAnswer}),
    ("GET", "/v1/oversight/approval-codes"): Operation({200: au.ChangeRequestsAnswer}),
    ("GET", "/v1/notifications"): Operation({200: au.NoticesAnswer}, query=PAGE),
    ("GET", "/v1/export"): Operation({200: au.ExportAnswer}, query=(CURSOR,)),
    ("GET", "/v1/emails"): Operation(
        {200: PageAnswer},
        query=(
            whole("limit", 20, 1, 100),
            CURSOR,
            one_of("status", "spam_flagged", "spam_quarantined", "spam"),
        ),
    ),
    ("POST", "/v1/emails/{email}/report-spam"): Operation({200: au.ReportAnswer}, errors=CONFLICT),
    ("POST", "/v1/emails/{email}/not-spam"): Operation({200: au.ReportAnswer}, errors=CONFLICT),
}
