"""Rendering of codes, notices and the export. A code's text is for reviewers alone."""

from __future__ import annotations

import base64
from typing import Any

from ..services import Principal
from ..services.approval_codes import ChangeRequest
from ..services.export import ExportedMessage, ExportPage
from ..services.upgrades import UpgradeRequest
from ..store.records import Notification, OneTimeCode
from . import render
from .request import cursor_of

Json = dict[str, Any]


def upgrade_requested(code: OneTimeCode) -> Json:
    """Return what the key that asks for a looser mode is told."""
    return {
        "id": code.id,
        "status": "code_sent",
        "mailbox_id": code.mailbox_id,
        "target_mode": code.target_mode,
        "expires_at": render.moment(code.expires_at),
        "message": "The human has a one-time code. If they agree, they hand it to you: redeem it "
        f"by POST /v1/mailboxes/{code.mailbox_id}/upgrade.",
    }


def upgrade_request(found: UpgradeRequest) -> Json:
    """Return a request for a looser mode as the reviewer sees it."""
    code = found.code
    return {
        **_waiting(code),
        "mailbox_id": code.mailbox_id,
        "mailbox": found.address,
        "from_mode": code.from_mode,
        "target_mode": code.target_mode,
        "code": found.text.text if found.text else None,
    }


def code_first(code: OneTimeCode) -> Json:
    """Return the answer to a sensitive change that has no approval code yet."""
    return {
        "id": None,
        "approval_id": code.id,
        "status": "approval_required",
        "approval_required": True,
        "expires_at": render.moment(code.expires_at),
        "message": "Nothing was changed yet: this needs the operator's approval. Make the same "
        "call again with `approval_code`, which the operator reads on the reviewer's side.",
    }


def change_request(found: ChangeRequest) -> Json:
    """Return a sensitive change as the reviewer sees it."""
    return {
        **_waiting(found.code),
        "request": found.code.subject,
        "body": found.text.request if found.text else None,
        "code": found.text.text if found.text else None,
    }


def _waiting(code: OneTimeCode) -> Json:
    return {
        "id": code.id,
        "requested_by": code.key_id,
        "created_at": render.moment(code.created_at),
        "expires_at": render.moment(code.expires_at),
    }


def notice(found: Notification) -> Json:
    """Return a notice to the human."""
    return {
        "id": found.id,
        "kind": found.kind,
        "mailbox_id": found.mailbox_id,
        "message_id": found.message_id,
        "details": found.facts,
        "created_at": render.moment(found.created_at),
        "mailed_at": render.moment(found.mailed_at),
        "mail_error": found.error,
    }


def export_page(page: ExportPage) -> Json:
    """Return a page of the account's data."""
    # Who may see what was decided when the page was made.
    everything = Principal("", "", "", frozenset({"oversight"}), live=False)
    answer: Json = {"status": "ok", "format": "multimail-export-1"}
    if page.account is not None:
        answer["account"] = {
            "id": page.account.id,
            "name": page.account.name,
            "created_at": render.moment(page.account.created_at),
        }
        answer["mailboxes"] = [render.mailbox(box) for box in page.mailboxes]
        answer["api_keys"] = [render.key(key) for key in page.keys]
        answer["contacts"] = [render.contact(entry) for entry in page.contacts]
    answer["emails"] = [_exported(one, everything) for one in page.messages]
    answer["audit_log"] = [render.audit_entry(entry) for entry in page.audit]
    answer["cursor"] = cursor_of(page.last_id) if page.last_id else None
    return answer


def _exported(one: ExportedMessage, everything: Principal) -> Json:
    if one.hidden:
        nobody = Principal("", "", "", frozenset(), live=False)
        return render.summary(one.opened.message, nobody)
    row = render.email(one.opened, everything)
    row["raw_base64"] = base64.b64encode(one.raw).decode()
    return row
