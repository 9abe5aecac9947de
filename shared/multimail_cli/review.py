"""Review commands: what awaits a human, the human's decision, and the record of it all."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import CommandError, people, plain_line, show_fields, show_table, show_text, span, when
from .session import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multimail.models import AuditEntry, Decision, PendingEmail

app = typer.Typer()

PendingArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The pending email's id.")]
HashOption = Annotated[
    str | None,
    typer.Option("--content-hash", help="What you looked at: another content is refused."),
]


@command(app)
def pending(
    session: Session, limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20
) -> None:
    """Show what awaits a human, oldest first; a reviewer's key also sees the text."""
    with session.client() as client:
        # Whoever names a mailbox means that one; a reviewer who names none means them all.
        page = client.list_pending(client.config.mailbox, limit=limit)
    data = {"pending": [one.model_dump(mode="json") for one in page]}
    session.answer(data, lambda: _show_queue(page.items))


def _show_queue(items: list[PendingEmail]) -> None:
    if not items:
        show_text("Nothing awaits a human.")
    for index, one in enumerate(items):
        if index:
            show_text("")
        show_pending(one)


def show_pending(one: PendingEmail, composer: str = "") -> None:
    """Print a pending message as whoever decides should see it.

    Args:
        one: The message.
        composer: A name for the key that composed it; default the key's id.
    """
    extra = one.model_extra or {}
    now = datetime.now(UTC)
    age = span((now - one.received_at).total_seconds()) if one.received_at else "unknown"
    left = (
        f"{when(one.expires_at)} (in {span((one.expires_at - now).total_seconds())})"
        if one.expires_at
        else ""
    )
    reasons = one.metadata.get("guard_reasons", "")
    show_fields(
        (
            ("Email", one.id),
            ("From", one.sender),
            ("To", people(one.to)),
            ("Cc", people(one.cc)),
            ("Bcc", people(one.bcc)),
            ("Subject", one.subject),
            ("Attachments", people([file.name for file in one.attachments])),
            ("Status", f"{one.status}, waiting for {age}"),
            ("Expires", left),
            ("Composed by", composer or str(extra.get("composed_by") or "")),
            ("Guard", str(reasons)),
            ("Content hash", one.content_hash or ""),
        )
    )
    if one.markdown:
        show_text(f"\n{one.markdown.rstrip()}")


@command(app)
def approve(
    session: Session,
    email: PendingArgument,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit log.")] = None,
    content_hash: HashOption = None,
) -> None:
    """Let a pending message go; needs the reviewer's key."""
    _decide(session, email, "approve", reason, content_hash)


@command(app)
def reject(
    session: Session,
    email: PendingArgument,
    reason: Annotated[str | None, typer.Option(help="Why; whoever wrote it sees this.")] = None,
    content_hash: HashOption = None,
) -> None:
    """Refuse a pending message; needs the reviewer's key."""
    _decide(session, email, "reject", reason, content_hash)


def _decide(
    session: Session, email: str, action: str, reason: str | None, content_hash: str | None
) -> None:
    with session.client() as client, _reviewers_only(session):
        done = client.decide_email(email, action, reason=reason, content_hash=content_hash)
    data = {**done.model_dump(mode="json"), "id": done.id or email, "delivered": done.delivered}
    session.answer(data, lambda: show_text(_sentence(email, action, done)))


def _sentence(email: str, action: str, done: Decision) -> str:
    state = done.message_status or done.status
    if action == "reject":
        return f"{email} is rejected; it will not be sent"
    if done.delivered:
        return f"{email} is approved and was sent"
    return f"{email} is approved ({state})"


@contextmanager
def _reviewers_only(session: Session) -> Iterator[None]:
    from multimail import PermissionDeniedError

    try:
        yield
    except PermissionDeniedError as error:
        raise CommandError(
            error.message,
            "Only the reviewer's key decides (scope oversight, without send): put it in a variable "
            f"and name that by --key-env; {session.key_env} holds another key.",
            error.code,
        ) from None


@command(app)
def audit(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows.")] = 30,
    cursor: Annotated[str | None, typer.Option(help="Go on from the page before.")] = None,
) -> None:
    """Show what was done and by which key, newest first."""
    with session.client() as client:
        page = client.get_audit_log(limit=limit, cursor=cursor)
    data = {"entries": [one.model_dump(mode="json") for one in page], "cursor": page.cursor}
    session.answer(data, lambda: show_audit(page.items))


def show_audit(entries: list[AuditEntry], names: dict[str, str] | None = None) -> None:
    """Print audit entries.

    Args:
        entries: The entries, in the order to print.
        names: Names for key ids, shown in their place.
    """
    known = names or {}
    rows = (
        (
            _clock(one) if names else when(one.created_at),
            one.action,
            one.resource_id or "",
            known.get(one.actor_key_id or "", one.actor_key_id or "server"),
            _facts(one.metadata or {}),
        )
        for one in entries
    )
    show_table(("WHEN", "ACTION", "ABOUT", "BY", "FACTS"), rows)


def _clock(entry: AuditEntry) -> str:
    return entry.created_at.strftime("%H:%M:%S") if entry.created_at else ""


def _facts(metadata: dict[str, Any]) -> str:
    shown = (f"{name}={_short(value)}" for name, value in metadata.items() if value is not None)
    return plain_line(" ".join(shown), 100)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
