"""The review commands: list pending messages, approve or reject them, show the audit log."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .context import CommandContext, command
from .output import (
    CommandError,
    format_addresses,
    format_datetime,
    format_duration,
    plain_line,
    show_fields,
    show_table,
    show_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multimail.models import AuditEntry, Decision, PendingEmail

app = typer.Typer()

PendingArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The pending email's id.")]
HashOption = Annotated[
    str | None,
    typer.Option("--content-hash", help="The hash of what you read; other content is refused."),
]


@command(app)
def pending(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="The most messages.")] = 20,
) -> None:
    """Show the messages that wait for approval, oldest first; the text needs a reviewer's key."""
    with context.client() as client:
        # Without a mailbox, a reviewer sees the pending messages of all mailboxes.
        page = client.list_pending(client.config.mailbox, limit=limit)
    data = {"pending": [item.model_dump(mode="json") for item in page]}
    context.answer(data, lambda: _show_queue(page.items))


def _show_queue(items: list[PendingEmail]) -> None:
    if not items:
        show_text("No message waits for approval.")
    for index, item in enumerate(items):
        if index:
            show_text("")
        show_pending(item)


def show_pending(message: PendingEmail, composer: str = "") -> None:
    """Print a pending message with everything that a reviewer needs.

    Args:
        message: The message.
        composer: A name for the key that composed it; default the key's id.
    """
    extra = message.model_extra or {}
    now = datetime.now(UTC)
    age, expiry = "unknown", ""
    if message.received_at:
        age = format_duration((now - message.received_at).total_seconds())
    if message.expires_at:
        remaining = format_duration((message.expires_at - now).total_seconds())
        expiry = f"{format_datetime(message.expires_at)} (in {remaining})"
    show_fields(
        (
            ("Email", message.id),
            ("From", message.sender),
            ("To", format_addresses(message.to)),
            ("Cc", format_addresses(message.cc)),
            ("Bcc", format_addresses(message.bcc)),
            ("Subject", message.subject),
            ("Attachments", format_addresses([file.name for file in message.attachments])),
            ("Status", f"{message.status}, waiting for {age}"),
            ("Expires", expiry),
            ("Composed by", composer or str(extra.get("composed_by") or "")),
            ("Guard", str(message.metadata.get("guard_reasons", ""))),
            ("Content hash", message.content_hash or ""),
        )
    )
    if message.markdown:
        show_text(f"\n{message.markdown.rstrip()}")
    if message.quotation:
        show_text(f"\nQuoted below it:\n{message.quotation}")


@command(app)
def approve(
    context: CommandContext,
    email: PendingArgument,
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit log.")] = None,
    content_hash: HashOption = None,
) -> None:
    """Approve a pending message, which sends it; needs a reviewer's key."""
    _decide(context, email, "approve", reason, content_hash)


@command(app)
def reject(
    context: CommandContext,
    email: PendingArgument,
    reason: Annotated[
        str | None, typer.Option(help="The reason, which the author of the message sees.")
    ] = None,
    content_hash: HashOption = None,
) -> None:
    """Reject a pending message; needs a reviewer's key."""
    _decide(context, email, "reject", reason, content_hash)


def _decide(
    context: CommandContext, email: str, action: str, reason: str | None, content_hash: str | None
) -> None:
    with context.client() as client, _reviewers_only(context):
        result = client.decide_email(email, action, reason=reason, content_hash=content_hash)
    data = result.model_dump(mode="json")
    data |= {"id": result.id or email, "delivered": result.delivered}
    context.answer(data, lambda: show_text(_describe(email, action, result)))


def _describe(email: str, action: str, result: Decision) -> str:
    state = result.message_status or result.status
    if action == "reject":
        return f"{email} is rejected; it will not be sent"
    if result.delivered:
        return f"{email} is approved and was sent"
    return f"{email} is approved ({state})"


@contextmanager
def _reviewers_only(context: CommandContext) -> Iterator[None]:
    from multimail import PermissionDeniedError

    try:
        yield
    except PermissionDeniedError as error:
        raise CommandError(
            error.message,
            "Only a reviewer's key (scope oversight, without send) can decide; the key in "
            f"{context.key_env} is not one. Name the variable of a reviewer's key with --key-env.",
            error.code,
        ) from None


@command(app)
def audit(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most rows.")] = 30,
    cursor: Annotated[str | None, typer.Option(help="The cursor of the page before.")] = None,
) -> None:
    """Show the audit log, newest first: what was done, and with which key."""
    with context.client() as client:
        page = client.get_audit_log(limit=limit, cursor=cursor)
    data = {"entries": [item.model_dump(mode="json") for item in page], "cursor": page.cursor}
    context.answer(data, lambda: show_audit(page.items))


def show_audit(entries: list[AuditEntry], names: dict[str, str] | None = None) -> None:
    """Print audit entries.

    Args:
        entries: The entries, in the order to print.
        names: Names for key ids, shown in their place.
    """
    names = names or {}
    rows = (
        (
            _format_time(entry) if names else format_datetime(entry.created_at),
            entry.action,
            entry.resource_id or "",
            names.get(entry.actor_key_id or "", entry.actor_key_id or "server"),
            _format_metadata(entry.metadata or {}),
        )
        for entry in entries
    )
    show_table(("WHEN", "ACTION", "ABOUT", "BY", "DETAILS"), rows)


def _format_time(entry: AuditEntry) -> str:
    return entry.created_at.strftime("%H:%M:%S") if entry.created_at else ""


def _format_metadata(metadata: dict[str, Any]) -> str:
    pairs = (f"{name}={_shorten(value)}" for name, value in metadata.items() if value is not None)
    return plain_line(" ".join(pairs), 100)


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
