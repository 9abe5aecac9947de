"""Writing tools: what an agent may send, change and withdraw. The guard is asked in here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from typing import Any

from .. import endpoints as api
from .._call import Call, Pause
from ..endpoints._arguments import format_datetime, parse_addresses, parse_recipients
from ..models import Contact, Email, Mailbox, SendResult
from ..trust import Action, GuardDecision
from ..trust.addresses import strip_tag
from ..trust.text import one_line
from . import args as a
from .context import ToolContext
from .reading import Run
from .render import own_words, when
from .spec import ToolError, ToolResult


def idempotency_key(session_id: str, mailbox_id: str, operation: str, *content: Any) -> str:
    """Return the key of a write, the same for the same content in the same conversation.

    Args:
        session_id: The conversation.
        mailbox_id: The mailbox that sends.
        operation: `send_email` or `reply_email`.
        content: All that makes the message what it is; addresses as `folded` gives them.
    """
    facts = json.dumps([session_id, mailbox_id, operation, *content], ensure_ascii=True)
    return f"mm-{hashlib.sha256(facts.encode()).hexdigest()[:48]}"


def folded(some: Sequence[str]) -> list[str]:
    """Return addresses in an order and case in which equal sets are equal."""
    return sorted({one.casefold() for one in some})


def send_email(args: a.SendEmail, context: ToolContext) -> Run:
    """Send a new message, once, if the guard lets it."""
    to, cc, bcc = (
        parse_recipients(args.to),
        parse_addresses(args.cc, "cc"),
        parse_addresses(args.bcc, "bcc"),
    )
    send_at = format_datetime(args.send_at, "send_at")
    mailbox = yield from context.mailbox(args.mailbox)
    key = idempotency_key(
        context.session_id,
        mailbox.id,
        "send_email",
        *(folded(to), folded(cc), folded(bcc)),
        *(args.subject, args.body, send_at),
    )
    decision = yield from context.guard.on_send([*to, *cc, *bcc], mailbox)
    mailbox = yield from _fit_to_hold(decision, mailbox, context)
    decision = context.guard.finalize(decision, mailbox, key)
    if decision.action is Action.REFUSE:
        return refused("The message was not sent", decision)
    sent = yield from api.send_email(
        to,
        args.subject,
        args.body,
        mailbox=mailbox.id,
        cc=cc,
        bcc=bcc,
        send_at=send_at,
        metadata=_for_reviewer(decision),
        oversight_mode=_stricter_mode(decision, mailbox),
        idempotency_key=key,
    )
    context.guard.record_send(sent.id, mailbox, [*to, *cc, *bcc], held=_is_held(sent, mailbox))
    return _outcome(sent, mailbox, to, decision)


def reply_email(args: a.ReplyEmail, context: ToolContext) -> Run:
    """Answer a message in its thread, once, if the guard lets it."""
    cc, bcc = parse_addresses(args.cc, "cc"), parse_addresses(args.bcc, "bcc")
    original = yield from api.read_email(args.email_id, mailbox=context.pinned)
    mailbox = yield from context.mailbox(context.mailbox_cache.get_mailbox_id(original.id))
    others = _others(original, mailbox) if args.reply_all else []
    reached = [*_answered(original), *others, *cc, *bcc]
    key = idempotency_key(
        *(context.session_id, mailbox.id, "reply_email", original.id, args.body),
        *(folded(cc), folded(bcc), bool(args.reply_all)),
    )
    decision = yield from context.guard.on_reply(original, reached, mailbox)
    mailbox = yield from _fit_to_hold(decision, mailbox, context)
    decision = context.guard.finalize(decision, mailbox, key, original.thread_id)
    if decision.action is Action.REFUSE:
        return refused(f"The reply to {one_line(original.id, 64)} was not sent", decision)
    sent = yield from api.reply_email(
        original.id,
        args.body,
        mailbox=mailbox.id,
        reply_all=bool(args.reply_all),
        cc=cc,
        bcc=bcc,
        metadata=_for_reviewer(decision),
        oversight_mode=_stricter_mode(decision, mailbox),
        idempotency_key=key,
    )
    everyone = [*sent.to, *reached]
    context.guard.record_send(sent.id, mailbox, everyone, held=_is_held(sent, mailbox))
    return _outcome(sent, mailbox, sent.to or _answered(original), decision)


def _answered(original: Email) -> list[str]:
    if original.direction == "outbound":
        return original.to
    return original.reply_to or [original.sender]


def _others(original: Email, mailbox: Mailbox) -> list[str]:
    """Return whom a reply to all reaches beside the ones it answers; never the mailbox itself."""
    own, everyone = strip_tag(mailbox.address), [*original.to, *original.cc]
    return [one for one in everyone if strip_tag(one) != own]


def _fit_to_hold(
    decision: GuardDecision, mailbox: Mailbox, context: ToolContext
) -> Generator[Call[Any] | Pause, Any, Mailbox]:
    """Return the mailbox as it is now, where it matters whether it holds."""
    if decision.action is not Action.HOLD:
        return mailbox
    return (yield from context.mailbox(mailbox.id, fresh=True))


def _stricter_mode(decision: GuardDecision, mailbox: Mailbox) -> str | None:
    """Return the mode to ask for; also where the mailbox holds, for it may have been loosened."""
    if decision.action is not Action.HOLD or not mailbox.per_message_oversight:
        return None
    return mailbox.oversight_mode if mailbox.holds_sends else "gated_send"


def _for_reviewer(decision: GuardDecision) -> dict[str, str] | None:
    if decision.action is Action.ALLOW:
        return None
    return {
        "guard_action": decision.action.value,
        "guard_code": decision.code,
        "guard_label": decision.label.value,
        "guard_standing": decision.standing.value,
        "guard_reasons": "; ".join(decision.reasons)[:500],
        "guard_policy": decision.policy,
    }


def refused(what: str, decision: GuardDecision) -> ToolResult:
    """Return the refusal of an operation, with the guard's reasons.

    Args:
        what: What was not done, to what.
        decision: The guard's.
    """
    return ToolResult.failure(
        ToolError(
            "refused_by_guard",
            f"{what} ({decision.code}): {_why(decision)}",
            next_step="Do not try it in another way; tell the user instead.",
        ),
        decision,
    )


def _why(decision: GuardDecision) -> str:
    return "; ".join(own_words(reason, 160) for reason in decision.reasons[:3])


def _outcome(
    sent: SendResult, mailbox: Mailbox, to: Sequence[str], decision: GuardDecision
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
    return ToolResult(_outcome_text(sent, held, to, decision), facts, decision)


def _is_held(sent: SendResult, mailbox: Mailbox) -> bool | None:
    return mailbox.holds_sends if sent.held is None else sent.held


def _outcome_text(
    sent: SendResult, held: bool | None, to: Sequence[str], decision: GuardDecision
) -> str:
    whom = one_line(", ".join(to), 300)
    if sent.duplicate:
        return (
            f"Already done: an equal message to {whom} was accepted before as {sent.id}"
            f" ({sent.message_status or sent.status}). Nothing was sent now."
        )
    if held:
        expiry = f" Expires {when(sent.expires_at)}." if sent.expires_at else ""
        why = f" Why ({decision.code}): {_why(decision)}." if decision.reasons else ""
        return (
            f"Held for approval: {sent.id} to {whom}. A human decides.{why}{expiry}"
            " Do not send it again; cancel_message withdraws it."
        )
    at = f" It leaves at {when(sent.send_at)}." if sent.send_at else ""
    return f"Accepted for sending: {sent.id} to {whom}.{at} Do not send it again."


def cancel_message(args: a.CancelMessage, context: ToolContext) -> Run:
    """Withdraw a message that has not left."""
    decision = context.guard.on_internal_change("cancel_message")
    if decision.action is not Action.ALLOW:
        return refused(f"{one_line(args.email_id, 64)} was not withdrawn", decision)
    done = yield from api.cancel_message(args.email_id, mailbox=context.pinned)
    status = done.status or "cancelled"
    return ToolResult(
        f"{args.email_id} is {status}: it will not be sent.",
        {"id": args.email_id, "status": status},
        decision,
    )


def tag_email(args: a.TagEmail, context: ToolContext) -> Run:
    """Label a message."""
    decision = context.guard.on_internal_change("tag_email")
    if decision.action is not Action.ALLOW:
        return refused(f"{one_line(args.email_id, 64)} was not tagged", decision)
    pairs = (tag.partition("=") for tag in args.tags)
    new = {name.strip(): value.strip() or "true" for name, _, value in pairs if name.strip()}
    labelled = yield from api.tag_email(args.email_id, tags=new, mailbox=context.pinned)
    shown = ", ".join(f"{name}={value}" for name, value in labelled.tags.items())
    return ToolResult(
        f"Tags of {args.email_id}: {one_line(shown, 600)}.",
        {"id": args.email_id, "tags": labelled.tags},
        decision,
    )


def add_contact(args: a.AddContact, context: ToolContext) -> Run:
    """Add to the address book, from where later conversations take addresses."""
    decision = yield from context.guard.on_add_contact(args.email)
    if decision.action is not Action.ALLOW:
        return refused("The contact was not added", decision)
    added: Contact = yield from api.add_contact(args.email, args.name, tags=args.tags)
    who = f"{one_line(args.name, 80)} <{added.email}>" if args.name else added.email
    return ToolResult(
        f"Added {who} to the contacts.",
        {"contact": added.model_dump(mode="json", include={"id", "name", "email", "tags"})},
        decision,
    )
