"""The mail commands: list and read mail, send and reply, cancel, and wait for new mail."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .context import CommandContext, command, read_text
from .output import (
    CommandError,
    console,
    format_addresses,
    format_datetime,
    plain_line,
    show_fields,
    show_table,
    show_text,
)

if TYPE_CHECKING:
    from multimail import Email, EmailSummary, SendResult, Thread

app = typer.Typer()

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The email's id.")]
BodyOption = Annotated[
    str | None, typer.Option("--body", help="The text, in Markdown. Default: stdin.")
]
BodyFileOption = Annotated[
    Path | None, typer.Option("--body-file", metavar="FILE", help="Read the body from a file.")
]
CcOption = Annotated[
    list[str] | None, typer.Option("--cc", help="Copy (Cc) to this address; repeatable.")
]
BccOption = Annotated[
    list[str] | None, typer.Option("--bcc", help="Blind copy (Bcc) to this address; repeatable.")
]
AttachOption = Annotated[
    list[Path] | None,
    typer.Option("--attach", metavar="FILE", help="Attach a file; repeatable."),
]


@command(app)
def inbox(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most rows.")] = 20,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread mail.")] = False,
    sender: Annotated[str | None, typer.Option("--from", help="Only from this address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only subjects that contain this.")] = None,
    direction: Annotated[str | None, typer.Option(help="inbound or outbound.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status.")] = None,
    cursor: Annotated[str | None, typer.Option(help="The cursor of the page before.")] = None,
) -> None:
    """List a mailbox, newest first."""
    with context.client() as client:
        page = client.check_inbox(
            limit=limit,
            unread_only=unread,
            sender=sender,
            subject_contains=subject,
            direction=direction,
            status=status,
            cursor=cursor,
        )
    data = {"emails": [_summary(item) for item in page], "cursor": page.cursor}
    context.answer(data, lambda: _show_listing(page.items, page.cursor))


def _show_listing(rows: list[EmailSummary], cursor: str | None) -> None:
    if not rows:
        show_text("No mail matches.")
        return
    heads = ("ID", "RECEIVED", "STATUS", "TRUST", "FROM", "SUBJECT")
    show_table(heads, (_row(item) for item in rows))
    if cursor:
        show_text(f"More: --cursor {cursor}")


def _row(item: EmailSummary) -> tuple[str, ...]:
    marker = " [+]" if item.has_attachments else ""
    other = f"to {format_addresses(item.to)}" if item.direction == "outbound" else item.sender
    return (
        item.id,
        format_datetime(item.received_at),
        item.status,
        get_trust(item)["label"],
        plain_line(other, 40),
        plain_line(item.subject, 80) + marker,
    )


def get_trust(message: EmailSummary) -> dict[str, Any]:
    """Return the trust label of a message and the reasons for it."""
    from multimail.trust import OWN, assess

    is_own = message.direction == "outbound"
    assessment = OWN if is_own else assess(message.authentication)
    return {"label": assessment.label.value, "reasons": list(assessment.reasons)}


def _summary(message: EmailSummary) -> dict[str, Any]:
    return {**message.model_dump(mode="json"), "trust": get_trust(message)}


@command(app)
def search(
    context: CommandContext,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORDS]...", help="Words, “phrases”, begin*, from:ann, has:attachment …"
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most rows.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="The cursor of the page before.")] = None,
) -> None:
    """Search a mailbox by its words, newest first; archived mail too."""
    query = " ".join(words or ())
    with context.client() as client:
        page = client.search_email(query, limit=limit, cursor=cursor)
    data = {"emails": [_summary(item) for item in page], "cursor": page.cursor}
    context.answer(data, lambda: _show_listing(list(page.items), page.cursor))


@command(app)
def mark(
    context: CommandContext,
    what: Annotated[
        Literal["read", "unread", "archived", "unarchived", "spam"],
        typer.Argument(metavar="MARK", help="read, unread, archived, unarchived or spam."),
    ],
    emails: Annotated[list[str], typer.Argument(metavar="EMAIL...", help="The emails' ids.")],
) -> None:
    """Mark received messages; archived ones leave the inbox."""
    with context.client() as client:
        marked = client.mark_email(emails, what)
    rows = [(item.id, item.status) for item in marked]
    context.answer(_dump(marked), lambda: show_table(("ID", "STATUS"), rows))


@command(app)
def read(
    context: CommandContext,
    email: EmailArgument,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the original message (RFC 5322).")
    ] = False,
) -> None:
    """Read one message; inbound mail is marked as read."""
    with context.client() as client:
        if raw:
            text = client.read_raw(email).decode("utf-8", "replace")
            context.answer({"id": email, "raw": text}, lambda: show_text(text))
            return
        message = client.read_email(email)
    context.answer(_summary(message), lambda: show_message(message))


def show_message(message: Email) -> None:
    """Print a message: its header fields, its trust label and its text."""
    trust = get_trust(message)
    reasons = f" ({'; '.join(trust['reasons'])})" if trust["reasons"] else ""
    files = (f"{file.name} ({file.size or '?'} bytes)" for file in message.attachments)
    show_fields(
        (
            ("From", message.sender),
            ("To", format_addresses(message.to)),
            ("Cc", format_addresses(message.cc)),
            ("Bcc", format_addresses(message.bcc)),
            ("Reply-To", format_addresses(message.reply_to)),
            ("Date", format_datetime(message.received_at)),
            ("Subject", message.subject),
            ("Attachments", format_addresses(list(files))),
            ("Status", message.status),
            ("Trust", trust["label"] + reasons),
            ("Reviewer's reason", message.decision_reason or ""),
            ("Email", message.id),
            ("Thread", message.thread_id or ""),
        )
    )
    show_text(f"\n{message.markdown.rstrip()}")


@command(app)
def thread(
    context: CommandContext,
    thread_id: Annotated[
        str, typer.Argument(metavar="THREAD", help="The id of a thread, or of an email in it.")
    ],
) -> None:
    """Show a thread, oldest message first."""
    from multimail.endpoints import get_thread_containing

    with context.client() as client:
        result = client.run(get_thread_containing(thread_id))
    data = {**result.model_dump(mode="json"), "messages": [_summary(m) for m in result.messages]}
    context.answer(data, lambda: show_thread(result))


def show_thread(thread: Thread) -> None:
    """Print the messages of a thread."""
    screen = console()
    subject = plain_line(thread.messages[0].subject) if thread.messages else ""
    show_text(f"{subject}  ({len(thread.messages)} messages, {thread.thread_id})")
    for item in thread.messages:
        screen.print()
        other = f"to {format_addresses(item.to)}" if item.direction == "outbound" else item.sender
        state = f"[{item.status}, {get_trust(item)['label']}]"
        date = format_datetime(item.received_at)
        show_text(f"{date}  {plain_line(other)}  {state}  {item.id}", "bold")
        show_text(item.markdown.rstrip())


@command(app)
def send(
    context: CommandContext,
    to: Annotated[list[str], typer.Option("--to", help="A recipient; repeatable.")],
    subject: Annotated[str, typer.Option("--subject", help="The subject, one line.")],
    body: BodyOption = None,
    body_file: BodyFileOption = None,
    cc: CcOption = None,
    bcc: BccOption = None,
    attach: AttachOption = None,
    send_at: Annotated[
        str | None, typer.Option(help="ISO 8601 with a time zone. Default: now.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A repeat with the same key sends nothing again.")
    ] = None,
) -> None:
    """Send a new message; in a gated mailbox it waits for approval."""
    text = read_text(body, body_file)
    with context.client() as client:
        sent = client.send_email(
            to,
            subject,
            text,
            cc=cc,
            bcc=bcc,
            attachments=attach or None,
            send_at=send_at,
            idempotency_key=idempotency_key,
        )
    _show_sent(context, sent)


@command(app)
def reply(
    context: CommandContext,
    email: EmailArgument,
    body: BodyOption = None,
    body_file: BodyFileOption = None,
    reply_all: Annotated[
        bool, typer.Option("--reply-all", help="Reply to all recipients.")
    ] = False,
    cc: CcOption = None,
    bcc: BccOption = None,
    attach: AttachOption = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A repeat with the same key sends nothing again.")
    ] = None,
) -> None:
    """Reply to a message; in a gated mailbox the reply waits for approval."""
    text = read_text(body, body_file)
    with context.client() as client:
        sent = client.reply_email(
            email,
            text,
            reply_all=reply_all,
            cc=cc,
            bcc=bcc,
            attachments=attach or None,
            idempotency_key=idempotency_key,
        )
    _show_sent(context, sent)


@command(app)
def resend(context: CommandContext, email: EmailArgument) -> None:
    """Send a message that could not be delivered again; oversight applies as to a new one.

    A repeat sends nothing more. What fails again has an id of its own.
    """
    with context.client() as client:
        failed = client.read_email(email)
        if failed.status != "send_failed" or failed.forwards_id:
            state = "a forward" if failed.forwards_id else failed.status
            raise CommandError(
                f"{email} is {state}: only a message of one's own that has failed is sent again.",
                "`multimail inbox --direction outbound --status send_failed` lists those.",
                "not_failed",
            )
        text, signature = failed.markdown, client.get_mailbox(failed.mailbox_id).signature_block
        if signature:  # It is added again.
            text = text.rpartition("\n\n-- \n")[0] or text
        options: dict[str, Any] = {
            "cc": failed.cc,
            "bcc": failed.bcc,
            "attachments": failed.attachments or None,
            "idempotency_key": f"resend-{failed.id}",
        }
        if failed.answers and failed.answers.id and len(failed.to) == 1:
            sent = client.reply_email(failed.answers.id, text, **options)
        else:
            sent = client.send_email(failed.to, failed.subject, text, **options)
    _show_sent(context, sent)


def _show_sent(context: CommandContext, sent: SendResult) -> None:
    def show() -> None:
        if sent.duplicate:
            state = "was accepted by an earlier call; nothing was sent again"
        elif sent.held:
            until = f" until {format_datetime(sent.expires_at)}" if sent.expires_at else ""
            state = f"waits for approval{until}: multimail approve {sent.id}"
        else:
            state = f"was accepted ({sent.status})"
        show_text(f"{sent.id} {state}")

    context.answer(sent.model_dump(mode="json"), show)


@command(app)
def cancel(context: CommandContext, email: EmailArgument) -> None:
    """Cancel a message that has not been sent."""
    with context.client() as client:
        result = client.cancel_message(email)
    data = {**result.model_dump(mode="json"), "id": result.id or email}
    context.answer(data, lambda: show_text(f"{email} is {result.status or 'cancelled'}"))


@command(app)
def wait(
    context: CommandContext,
    timeout: Annotated[float, typer.Option(min=0, help="The most seconds to wait.")] = 60.0,
    sender: Annotated[str | None, typer.Option("--from", help="Only from this address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only subjects that contain this.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", help="Only mail newer than this email. Default: the newest one now."
        ),
    ] = None,
) -> None:
    """Wait for a new message that matches; exit status 1 if none arrives in time."""
    with context.client() as client:
        message = client.wait_for_email(
            timeout=timeout, since_id=since, sender=sender, subject_contains=subject
        )
    context.answer(_summary(message), lambda: _show_listing([message], None))


def _dump(rows: Iterable[Any]) -> list[Any]:
    return [row.model_dump(mode="json") for row in rows]
