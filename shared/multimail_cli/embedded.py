"""The commands that only an embedded server supports, for tests and for trying things out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from .context import CommandContext, command
from .output import CommandError, format_addresses, plain_line, show_table, show_text

if TYPE_CHECKING:
    from multimail import MultiMail

app = typer.Typer()

_SUFFIXES = (".eml", ".mbox")


@command(app)
def inject(
    context: CommandContext,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="A .eml, an mbox, a directory, or -."),
    ],
) -> None:
    """Deliver messages from files, or from stdin (-), to the mailbox of an embedded server."""
    messages = [message for file in files for message in read_messages(file)]
    if not messages:
        raise CommandError("The files contain no message.", "Give .eml or mbox files.", "no_mail")
    with context.client() as client:
        mailbox_id = client.get_mailbox().id
        responses = [_inject(client, raw, mailbox_id) for _, raw in messages]
    rows = [
        {"file": name, **(response if isinstance(response, dict) else {"answer": response})}
        for (name, _), response in zip(messages, responses, strict=True)
    ]
    context.answer({"injected": rows}, lambda: _show_injected(rows))


def _show_injected(rows: list[dict[str, Any]]) -> None:
    repeats = sum(row.get("duplicate") is True for row in rows)
    for row in rows:
        state = "was there already" if row.get("duplicate") is True else "is delivered"
        show_text(f"{row['file']} {state}  {_first_value(row, 'email_id', 'id')}")
    there = f"; already there: {repeats}" if repeats else ""
    show_text(f"Delivered: {len(rows) - repeats}{there}")


def _inject(client: MultiMail, raw: bytes, mailbox_id: str) -> Any:
    from multimail import Call, NotFoundError

    deliver: Call[Any] = Call(
        "inject",
        "POST",
        "/v1/test/inbound",
        lambda reply: reply,
        params={"mailbox": mailbox_id},
        content=raw,
        content_type="message/rfc822",
    )
    try:
        return client.run(deliver)
    except NotFoundError:
        raise _not_embedded("inject", client.base_url) from None


def read_messages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the messages in a file or a directory, each with the name of its file.

    Raises:
        CommandError: There is no such file, or it contains no message.
    """
    if str(path) == "-":
        yield "stdin", sys.stdin.buffer.read()
        return
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not files:
            raise CommandError(f"{path} contains no .eml or .mbox file.", "", "no_mail")
        for file in files:
            yield from read_messages(file)
        return
    if not path.is_file():
        raise CommandError(f"There is no file {path}.", "Check the path.", "no_file")
    content = path.read_bytes()
    if content.startswith(b"From "):
        yield from _read_mbox(path)
    elif content.strip():
        yield path.name, content
    else:
        raise CommandError(f"{path} is empty.", "Give a message in RFC 5322 format.", "no_mail")


def _read_mbox(path: Path) -> Iterator[tuple[str, bytes]]:
    import mailbox

    box = mailbox.mbox(path, create=False)
    try:
        for index, key in enumerate(box.keys()):
            yield f"{path.name}[{index}]", box.get_bytes(key)
    finally:
        box.close()


@command(app)
def outbox(context: CommandContext) -> None:
    """Show the messages that an embedded server has sent with test keys."""
    with context.client() as client:
        rows = get_outbox(client)
    context.answer({"messages": rows}, lambda: _show_outbox(rows))


def get_outbox(client: MultiMail) -> list[dict[str, Any]]:
    """Return the messages in the test outbox, newest first.

    Raises:
        CommandError: The API is not an embedded server.
    """
    from multimail import Call, NotFoundError

    list_outbox: Call[Any] = Call("outbox", "GET", "/v1/test/outbox", lambda reply: reply)
    try:
        reply = client.run(list_outbox)
    except NotFoundError:
        raise _not_embedded("outbox", client.base_url) from None
    return list(reply["emails"])


def get_sent_raw(client: MultiMail, email_id: str) -> bytes:
    """Return a message of the test outbox in its transmitted form (RFC 5322)."""
    from multimail import Call

    path = f"/v1/test/outbox/{quote(email_id, safe='')}/raw"
    return client.run(Call("outbox", "GET", path, bytes, raw=True))


def _not_embedded(name: str, url: str) -> CommandError:
    return CommandError(
        f"{url} does not support {name}: it is not an embedded server.",
        "Start one with `multimail serve` and set MULTIMAIL_API_URL.",
        "not_embedded",
    )


def _show_outbox(rows: list[dict[str, Any]]) -> None:
    if not rows:
        show_text("Nothing has been sent.")
        return
    show_table(
        ("ID", "WHEN", "TO", "SUBJECT"),
        (
            (
                _first_value(row, "email_id", "message_id", "id"),
                _first_value(row, "delivered_at", "created_at"),
                plain_line(format_addresses(_get_recipients(row)), 60),
                _first_value(row, "subject"),
            )
            for row in rows
        ),
    )


def _get_recipients(row: dict[str, Any]) -> list[str]:
    recipients = row.get("recipients") or row.get("rcpt_to") or row.get("to") or []
    return [recipients] if isinstance(recipients, str) else [str(item) for item in recipients]


def _first_value(row: dict[str, Any], *names: str) -> str:
    return next((str(row[name]) for name in names if row.get(name)), "")
