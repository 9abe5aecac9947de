"""Writing tools: what an agent may send, change and withdraw. Each asks the guard first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import endpoints as api
from ..endpoints._arguments import format_datetime, parse_addresses, parse_recipients
from ..models import Contact, Email, Mailbox, SendResult
from ..trust import Action, GuardDecision
from ..trust.addresses import strip_tag
from ..trust.text import Fence, one_line
from . import schemas
from ._context import ToolContext
from ._enclosures import select_files
from ._format import format_time, redact_domains
from ._message_facts import TAINT_KEY
from ._spec import Steps, ToolError, ToolResult, ToolRun


def build_idempotency_key(origin: str, mailbox_id: str, operation: str, *content: Any) -> str:
    """Return the key of a write: equal for equal content in the same conversation.

    Args:
        origin: The conversation, or the toolkit where a process is one conversation.
        mailbox_id: The mailbox that sends.
        operation: `send_email` or `reply_email`.
        content: Everything that makes the message what it is; addresses folded.
    """
    facts = json.dumps([origin, mailbox_id, operation, *content], ensure_ascii=True)
    return f"mm-{hashlib.sha256(facts.encode()).hexdigest()[:48]}"


_MAX_METADATA = 2000


def fold_addresses(texts: Sequence[str]) -> list[str]:
    """Return the addresses casefolded, sorted and without repeats."""
    return sorted({text.casefold() for text in texts})


def send_email(args: schemas.SendEmail, context: ToolContext) -> ToolRun:
    """Send a new message, once, if the guard allows it."""
    to, cc, bcc = (
        parse_recipients(args.to),
        parse_addresses(args.cc, "cc"),
        parse_addresses(args.bcc, "bcc"),
    )
    send_at = format_datetime(args.send_at, "send_at")
    mailbox = yield from context.mailbox(args.mailbox)
    files = yield from select_files(args.attachments, context.files, context.guard, mailbox)
    key = build_idempotency_key(
        context.origin,
        mailbox.id,
        "send_email",
        *(fold_addresses(to), fold_addresses(cc), fold_addresses(bcc)),
        *(args.subject, args.body, send_at),
        *files.key_parts,
    )
    texts = (args.subject, args.body, *files.names)
    decision = yield from context.guard.on_send(
        [*to, *cc, *bcc], mailbox, *texts, files=files.enclosed
    )
    mailbox = yield from _refresh_mailbox(decision, mailbox, context)
    decision = context.guard.finalize(decision, mailbox, key, [*to, *cc, *bcc])
    if decision.action is Action.REFUSE:
        return build_refusal("The message was not sent", decision)
    sent = yield from api.send_email(
        to,
        args.subject,
        args.body,
        mailbox=mailbox.id,
        cc=cc,
        bcc=bcc,
        attachments=files.sources,
        send_at=send_at,
        metadata=_build_metadata(decision, context),
        oversight_mode=_get_stricter_mode(decision, mailbox),
        daily_caps=context.guard.build_daily_caps(decision, mailbox, [*to, *cc, *bcc]),
        idempotency_key=key,
    )
    decision = context.guard.add_server_hold(decision, sent)
    context.guard.record_send(sent.id, mailbox, [*to, *cc, *bcc], held=_is_held(sent, mailbox))
    return _build_outcome(sent, mailbox, to, decision, f" to {one_line(', '.join(to), 300)}")


def reply_email(args: schemas.ReplyEmail, context: ToolContext) -> ToolRun:
    """Reply to a message in its thread, once, if the guard allows it."""
    cc, bcc = parse_addresses(args.cc, "cc"), parse_addresses(args.bcc, "bcc")
    send_at = format_datetime(args.send_at, "send_at")
    original = yield from api.read_email(args.email_id, mailbox=context.pinned)
    mailbox = yield from context.mailbox(context.mailbox_cache.get_mailbox_id(original.id))
    files = yield from select_files(args.attachments, context.files, context.guard, mailbox)
    others = _reply_all_targets(original, mailbox) if args.reply_all else []
    reached = [*_reply_targets(original), *others, *cc, *bcc]
    key = build_idempotency_key(
        *(context.origin, mailbox.id, "reply_email", original.id, args.body),
        *(fold_addresses(cc), fold_addresses(bcc), bool(args.reply_all)),
        *([send_at] if send_at else []),
        *files.key_parts,
    )
    context.guard.mark_shown(original)
    texts = (args.body, *files.names)
    decision = yield from context.guard.on_reply(
        original, reached, mailbox, *texts, files=files.enclosed
    )
    mailbox = yield from _refresh_mailbox(decision, mailbox, context)
    decision = context.guard.finalize(decision, mailbox, key, reached, original.thread_id)
    if decision.action is Action.REFUSE:
        return build_refusal(f"The reply to {one_line(original.id, 64)} was not sent", decision)
    sent = yield from api.reply_email(
        original.id,
        args.body,
        mailbox=mailbox.id,
        reply_all=bool(args.reply_all),
        cc=cc,
        bcc=bcc,
        attachments=files.sources,
        send_at=send_at,
        metadata=_build_metadata(decision, context),
        oversight_mode=_get_stricter_mode(decision, mailbox),
        daily_caps=context.guard.build_daily_caps(decision, mailbox, reached),
        idempotency_key=key,
    )
    decision = context.guard.add_server_hold(decision, sent)
    everyone = [*sent.to, *reached]
    context.guard.record_send(sent.id, mailbox, everyone, held=_is_held(sent, mailbox))
    to = sent.to or _reply_targets(original)
    # The sender of the answered message chose its address.
    address_line = f"To: {one_line(', '.join(to), 300)}"
    return _build_outcome(sent, mailbox, to, decision, words=address_line)


def forward_email(args: schemas.ForwardEmail, context: ToolContext) -> ToolRun:
    """Send a message on to others, once, if the guard allows it."""
    to, cc = parse_recipients(args.to), parse_addresses(args.cc, "cc")
    original = yield from api.read_email(args.email_id, mailbox=context.pinned)
    mailbox = yield from context.mailbox(context.mailbox_cache.get_mailbox_id(original.id))
    reached, with_files = [*to, *cc], not args.without_attachments
    key = build_idempotency_key(
        *(context.origin, mailbox.id, "forward_email", original.id, args.note or ""),
        *(fold_addresses(to), fold_addresses(cc), with_files),
    )
    context.guard.mark_shown(original)
    decision = yield from context.guard.on_forward(original, reached, mailbox, args.note or "")
    mailbox = yield from _refresh_mailbox(decision, mailbox, context)
    decision = context.guard.finalize(decision, mailbox, key, reached, original.thread_id)
    if decision.action is Action.REFUSE:
        return build_refusal(f"{one_line(original.id, 64)} was not forwarded", decision)
    sent = yield from api.forward_email(
        original.id,
        to,
        args.note or "",
        mailbox=mailbox.id,
        cc=cc,
        include_attachments=with_files,
        metadata=_build_metadata(decision, context),
        oversight_mode=_get_stricter_mode(decision, mailbox),
        daily_caps=context.guard.build_daily_caps(decision, mailbox, reached),
        idempotency_key=key,
    )
    decision = context.guard.add_server_hold(decision, sent)
    context.guard.record_send(sent.id, mailbox, reached, held=_is_held(sent, mailbox))
    return _build_outcome(sent, mailbox, to, decision, f" to {one_line(', '.join(to), 300)}")


def revise_message(args: schemas.ReviseMessage, context: ToolContext) -> ToolRun:
    """Change an own message that awaits a human, if the guard allows it."""
    held = yield from api.read_email(args.email_id, mailbox=context.pinned)
    mailbox = yield from context.mailbox(context.mailbox_cache.get_mailbox_id(held.id))
    files = yield from select_files(args.attachments, context.files, context.guard, mailbox)
    to, cc, bcc = args.to or held.to, args.cc or held.cc, args.bcc or held.bcc
    texts = (args.subject or "", args.body or "", *files.names)
    decision = yield from context.guard.on_revise(
        held.id, [*to, *cc, *bcc], mailbox, *texts, files=files.enclosed
    )
    if decision.action is Action.REFUSE:
        return build_refusal(f"{one_line(held.id, 64)} was not changed", decision)
    revised = yield from api.revise_message(
        held.id,
        to=args.to,
        cc=args.cc,
        bcc=args.bcc,
        subject=args.subject or None,
        body=args.body or None,
        attachments=files.sources or None,
        metadata=_build_metadata(decision, context),
        content_hash=held.content_hash,
        mailbox=mailbox.id,
    )
    context.guard.record_send(held.id, mailbox, [*to, *cc, *bcc], held=True)
    same = revised.content_hash == held.content_hash
    what = "already says this; nothing was changed" if same else "was changed"
    why = f" Why ({decision.code}): {_format_reasons(decision)}." if decision.reasons else ""
    facts = {
        "id": held.id,
        "thread_id": held.thread_id,
        "status": revised.status,
        "held": True,
        "duplicate": same,
        "to": list(to),
    }
    text = f"{one_line(held.id, 64)} {what}. A human decides on it as it is now.{why}"
    return ToolResult(text + _mark(_format_names(decision)), facts, decision)


def _reply_targets(original: Email) -> list[str]:
    if original.direction == "outbound":
        return original.to
    return original.reply_to or [original.sender]


def _reply_all_targets(original: Email, mailbox: Mailbox) -> list[str]:
    """Return the other recipients of a reply to all, without the mailbox itself."""
    own = strip_tag(mailbox.address)
    return [address for address in [*original.to, *original.cc] if strip_tag(address) != own]


def _refresh_mailbox(
    decision: GuardDecision, mailbox: Mailbox, context: ToolContext
) -> Steps[Mailbox]:
    """Return the mailbox, with its current mode where the decision is to hold."""
    if decision.action is not Action.HOLD:
        return mailbox
    return (yield from context.mailbox(mailbox.id, fresh=True))


def _get_stricter_mode(decision: GuardDecision, mailbox: Mailbox) -> str | None:
    """Return the mode to request for a hold, even if the mailbox holds: it may be loosened."""
    if decision.action is not Action.HOLD or not mailbox.per_message_oversight:
        return None
    return mailbox.oversight_mode if mailbox.holds_sends else "gated_send"


def _build_metadata(decision: GuardDecision, context: ToolContext) -> dict[str, str] | None:
    """Return what the guard says of a send: what its writer had read, and why it is held."""
    worst = context.guard.get_worst_label()
    taint = {TAINT_KEY: worst} if worst is not None else {}
    if decision.action is Action.ALLOW:
        return taint or None
    return {
        **taint,
        "guard_action": decision.action.value,
        "guard_code": decision.code,
        "guard_codes": " ".join(decision.codes)[:_MAX_METADATA],
        "guard_label": decision.label.value,
        "guard_standing": decision.standing.value,
        "guard_reasons": "; ".join(decision.approver_reasons)[:_MAX_METADATA],
        "guard_policy": decision.policy,
    }


def build_refusal(what: str, decision: GuardDecision) -> ToolResult:
    """Return the result of an operation that the guard refused, with its reasons.

    Args:
        what: What was not done, to what.
        decision: The guard's.
    """
    refusal = ToolResult.failure(
        ToolError(
            "refused_by_guard",
            f"{what} ({decision.code}): {_format_reasons(decision)}",
            next_step=_get_next_step(decision),
        ),
        decision,
    )
    return replace(refusal, text=refusal.text + _mark(_format_names(decision)))


def _get_next_step(decision: GuardDecision) -> str:
    steps = [_NEXT_STEPS.get(code) for code in decision.codes]
    if not steps or None in steps:
        return "Do not try it in another way; tell the user instead."
    return " ".join(filter(None, steps))


_NEXT_STEPS = {
    "tag_from_mail": "Use tags such as billing or kind=billing: a-z, 0-9, _ and -, at most 24"
    " characters.",
    "other_message": "Open it with read_email first.",
}
"""What helps where a refusal is about the form of a call, not about the mail behind it."""


def _format_names(decision: GuardDecision) -> str:
    """Return what the reasons are about: mail may have supplied it."""
    names = ", ".join(one_line(name, 80) for name in decision.names[:5])
    return f"This is about: {names}" if names else ""


def _mark(*words: str) -> str:
    """Return lines that mail may have supplied, between marks; nothing for none."""
    lines = "\n".join(filter(None, words))
    return f"\n{Fence.new().around(lines)}" if lines else ""


def _format_reasons(decision: GuardDecision) -> str:
    return "; ".join(redact_domains(reason, 160) for reason in decision.reasons[:3])


def _build_outcome(
    sent: SendResult,
    mailbox: Mailbox,
    to: Sequence[str],
    decision: GuardDecision,
    whom: str = "",
    words: str = "",
) -> ToolResult:
    held = _is_held(sent, mailbox)
    facts = {
        "id": sent.id,
        "thread_id": sent.thread_id,
        "status": sent.status,
        "held": held,
        "duplicate": sent.duplicate,
        "expires_at": sent.expires_at.isoformat() if sent.expires_at else None,
        "to": list(to),
    }
    names = _format_names(decision) if held else ""
    text = _format_outcome(sent, held, whom, decision) + _mark(words, names)
    return ToolResult(text, facts, decision)


def _is_held(sent: SendResult, mailbox: Mailbox) -> bool | None:
    return mailbox.holds_sends if sent.held is None else sent.held


def _format_outcome(sent: SendResult, held: bool | None, whom: str, decision: GuardDecision) -> str:
    if sent.duplicate:
        return (
            f"Already done: an equal message{whom} was accepted before as {sent.id}"
            f" ({sent.message_status or sent.status}). Nothing was sent now."
        )
    if held:
        expiry = f" Expires {format_time(sent.expires_at)}." if sent.expires_at else ""
        why = f" Why ({decision.code}): {_format_reasons(decision)}." if decision.reasons else ""
        return (
            f"Held for approval: {sent.id}{whom}. A human decides.{why}{expiry}"
            " Do not send it again; cancel_message withdraws it."
        )
    at = f" It leaves at {format_time(sent.send_at)}." if sent.send_at else ""
    return f"Accepted for sending: {sent.id}{whom}.{at} Do not send it again."


def cancel_message(args: schemas.CancelMessage, context: ToolContext) -> ToolRun:
    """Withdraw a message that has not left."""
    decision = context.guard.on_cancel()
    if decision.action is not Action.ALLOW:
        return build_refusal(f"{one_line(args.email_id, 64)} was not withdrawn", decision)
    cancelled = yield from api.cancel_message(args.email_id, mailbox=context.pinned)
    status = cancelled.status or "cancelled"
    return ToolResult(
        f"{args.email_id} is {status}: it will not be sent.",
        {"id": args.email_id, "status": status},
        decision,
    )


def tag_email(args: schemas.TagEmail, context: ToolContext) -> ToolRun:
    """Add labels to a message."""
    pairs = (tag.partition("=") for tag in args.tags)
    new = {name.strip(): value.strip() or "true" for name, _, value in pairs if name.strip()}
    decision = context.guard.on_tag(args.email_id, new)
    if decision.action is not Action.ALLOW:
        return build_refusal(f"{one_line(args.email_id, 64)} was not tagged", decision)
    label = context.guard.get_worst_label()
    yield from api.tag_email(args.email_id, tags=new, mailbox=context.pinned, label=label)
    return ToolResult(
        f"{one_line(args.email_id, 64)} is tagged: {one_line(', '.join(args.tags), 300)}.",
        {"id": args.email_id, "tags": new},
        decision,
    )


def add_contact(args: schemas.AddContact, context: ToolContext) -> ToolRun:
    """Add an address to the address book, from which later conversations take it."""
    decision = yield from context.guard.on_add_contact(args.email)
    if decision.action is not Action.ALLOW:
        return build_refusal("The contact was not added", decision)
    contact: Contact = yield from api.add_contact(
        args.email,
        args.name,
        tags=args.tags,
        made_by="tool",
        label=context.guard.get_worst_label(),
    )
    return ToolResult(
        f"Added to the contacts:\n{Fence.new().around(one_line(contact.email, 320))}",
        {"contact": contact.model_dump(mode="json", include={"id", "name", "email", "tags"})},
        decision,
    )
