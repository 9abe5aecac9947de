"""Mail commands: looking at a mailbox, writing from it, and waiting for what comes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import (
    console,
    people,
    plain_line,
    show_fields,
    show_table,
    show_text,
    when,
)
from .session import Session, command, read_text

if TYPE_CHECKING:
    from multimail import Email, EmailSummary, SendResult, Thread

app = typer.Typer()

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The email's id.")]
BodyOption = Annotated[str | None, typer.Option("--body", help="Markdown. Default: from stdin.")]
BodyFileOption = Annotated[
    Path | None, typer.Option("--body-file", metavar="FILE", help="Read the body from a file.")
]
CcOption = Annotated[list[str] | None, typer.Option("--cc", help="Copy to; may be repeated.")]
BccOption = Annotated[list[str] | None, typer.Option("--bcc", help="Blind copy to.")]
AttachOption = Annotated[
    list[Path] | None,
    typer.Option("--attach", metavar="FILE", help="Attach a file; may be repeated."),
]


@command(app)
def mailboxes(session: Session) -> None:
    """List the mailboxes that the key can use."""
    with session.client() as client:
        found = client.list_mailboxes()
    rows = [(one.address, one.oversight_mode or "unknown", one.id) for one in found]
    session.answer(_dump(found), lambda: show_table(("ADDRESS", "OVERSIGHT", "ID"), rows))


@command(app)
def inbox(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows.")] = 20,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread mail.")] = False,
    sender: Annotated[str | None, typer.Option("--from", help="Only from this address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only subjects that contain this.")] = None,
    direction: Annotated[str | None, typer.Option(help="inbound or outbound.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Go on from the page before.")] = None,
) -> None:
    """List a mailbox, newest first."""
    with session.client() as client:
        page = client.check_inbox(
            limit=limit,
            unread_only=unread,
            sender=sender,
            subject_contains=subject,
            direction=direction,
            status=status,
            cursor=cursor,
        )
    data = {"emails": [_summary(one) for one in page], "cursor": page.cursor}
    session.answer(data, lambda: _show_listing(page.items, page.cursor))


def _show_listing(rows: list[EmailSummary], cursor: str | None) -> None:
    if not rows:
        show_text("No mail matches.")
        return
    heads = ("ID", "RECEIVED", "STATUS", "TRUST", "FROM", "SUBJECT")
    show_table(heads, (_row(one) for one in rows))
    if cursor:
        show_text(f"More: --cursor {cursor}")


def _row(one: EmailSummary) -> tuple[str, ...]:
    clip = " [+]" if one.has_attachments else ""
    other = f"to {people(one.to)}" if one.direction == "outbound" else one.sender
    return (
        one.id,
        when(one.received_at),
        one.status,
        trust_of(one)["label"],
        plain_line(other, 40),
        plain_line(one.subject, 80) + clip,
    )


def trust_of(message: EmailSummary) -> dict[str, Any]:
    """Return the trust label of a message and the reasons for it."""
    from multimail.trust import OWN, assess

    own = message.direction == "outbound"
    found = OWN if own else assess(message.authentication)
    return {"label": found.label.value, "reasons": list(found.reasons)}


def _summary(message: EmailSummary) -> dict[str, Any]:
    return {**message.model_dump(mode="json"), "trust": trust_of(message)}


@command(app)
def read(
    session: Session,
    email: EmailArgument,
    raw: Annotated[bool, typer.Option("--raw", help="The message as it came (RFC 5322).")] = False,
) -> None:
    """Read one message; inbound mail is marked as read."""
    with session.client() as client:
        if raw:
            text = client.read_raw(email).decode("utf-8", "replace")
            session.answer({"id": email, "raw": text}, lambda: show_text(text))
            return
        message = client.read_email(email)
    session.answer(_summary(message), lambda: show_message(message))


def show_message(message: Email) -> None:
    """Print a message: its header, its trust label, its text."""
    trust = trust_of(message)
    reasons = f" ({'; '.join(trust['reasons'])})" if trust["reasons"] else ""
    files = (f"{one.name} ({one.size or '?'} bytes)" for one in message.attachments)
    show_fields(
        (
            ("From", message.sender),
            ("To", people(message.to)),
            ("Cc", people(message.cc)),
            ("Bcc", people(message.bcc)),
            ("Reply-To", people(message.reply_to)),
            ("Date", when(message.received_at)),
            ("Subject", message.subject),
            ("Attachments", people(list(files))),
            ("Status", message.status),
            ("Trust", trust["label"] + reasons),
            ("Reviewer said", message.decision_reason or ""),
            ("Email", message.id),
            ("Thread", message.thread_id or ""),
        )
    )
    show_text(f"\n{message.markdown.rstrip()}")


@command(app)
def thread(
    session: Session,
    thread_id: Annotated[
        str, typer.Argument(metavar="THREAD", help="A thread's id, or that of an email in it.")
    ],
) -> None:
    """Show a conversation, oldest message first."""
    from multimail.endpoints import get_thread_containing

    with session.client() as client:
        found = client.run(get_thread_containing(thread_id))
    data = {**found.model_dump(mode="json"), "messages": [_summary(m) for m in found.messages]}
    session.answer(data, lambda: show_thread(found))


def show_thread(found: Thread) -> None:
    """Print a conversation."""
    screen = console()
    subject = plain_line(found.messages[0].subject) if found.messages else ""
    show_text(f"{subject}  ({len(found.messages)} messages, {found.thread_id})")
    for one in found.messages:
        screen.print()
        arrow = f"to {people(one.to)}" if one.direction == "outbound" else one.sender
        trust = trust_of(one)["label"]
        head = f"{when(one.received_at)}  {plain_line(arrow)}  [{one.status}, {trust}]  {one.id}"
        show_text(head, "bold")
        show_text(one.markdown.rstrip())


@command(app)
def send(
    session: Session,
    to: Annotated[list[str], typer.Option("--to", help="Recipient; may be repeated.")],
    subject: Annotated[str, typer.Option("--subject", help="One line.")],
    body: BodyOption = None,
    body_file: BodyFileOption = None,
    cc: CcOption = None,
    bcc: BccOption = None,
    attach: AttachOption = None,
    send_at: Annotated[
        str | None, typer.Option(help="ISO 8601 with its zone. Default: at once.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A repeat with the same key sends nothing.")
    ] = None,
) -> None:
    """Send a new message; in a gated mailbox it waits for a human."""
    text = read_text(body, body_file)
    with session.client() as client:
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
    _show_sent(session, sent)


@command(app)
def reply(
    session: Session,
    email: EmailArgument,
    body: BodyOption = None,
    body_file: BodyFileOption = None,
    reply_all: Annotated[
        bool, typer.Option("--reply-all", help="Answer the other recipients too.")
    ] = False,
    cc: CcOption = None,
    bcc: BccOption = None,
    attach: AttachOption = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A repeat with the same key sends nothing.")
    ] = None,
) -> None:
    """Reply in a message's thread; in a gated mailbox it waits for a human."""
    text = read_text(body, body_file)
    with session.client() as client:
        sent = client.reply_email(
            email,
            text,
            reply_all=reply_all,
            cc=cc,
            bcc=bcc,
            attachments=attach or None,
            idempotency_key=idempotency_key,
        )
    _show_sent(session, sent)


def _show_sent(session: Session, sent: SendResult) -> None:
    def show() -> None:
        if sent.duplicate:
            state = "was accepted before; nothing was sent now"
        elif sent.held:
            until = f" until {when(sent.expires_at)}" if sent.expires_at else ""
            state = f"waits for a human{until}: multimail approve {sent.id}"
        else:
            state = f"is accepted ({sent.status})"
        show_text(f"{sent.id} {state}")

    session.answer(sent.model_dump(mode="json") | {"duplicate": sent.duplicate}, show)


@command(app)
def cancel(session: Session, email: EmailArgument) -> None:
    """Withdraw a message that has not left."""
    with session.client() as client:
        done = client.cancel_message(email)
    data = {**done.model_dump(mode="json"), "id": done.id or email}
    session.answer(data, lambda: show_text(f"{email} is {done.status or 'cancelled'}"))


@command(app)
def wait(
    session: Session,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds at the most.")] = 60.0,
    sender: Annotated[str | None, typer.Option("--from", help="Only from this address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only subjects that contain this.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Newer than this. Default: the newest now.")
    ] = None,
) -> None:
    """Wait for a new message that matches; exit status 1 if none comes."""
    with session.client() as client:
        found = client.wait_for_email(
            timeout=timeout, since_id=since, sender=sender, subject_contains=subject
        )
    session.answer(_summary(found), lambda: _show_listing([found], None))


def _dump(rows: Iterable[Any]) -> list[Any]:
    return [one.model_dump(mode="json") for one in rows]
