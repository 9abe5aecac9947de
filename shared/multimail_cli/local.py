"""Local commands: what only the embedded server can do, for tests and trying things out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from .output import CommandError, people, plain_line, show_table, show_text
from .session import Session, command

if TYPE_CHECKING:
    from multimail import MultiMail

app = typer.Typer()

_SUFFIXES = (".eml", ".mbox")


@command(app)
def inject(
    session: Session,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="A .eml, an mbox, or a directory of them.")
    ],
) -> None:
    """Deliver messages from files to the mailbox of an embedded server."""
    letters = [letter for file in files for letter in letters_in(file)]
    if not letters:
        raise CommandError("The files hold no message.", "Give .eml or mbox files.", "no_mail")
    with session.client() as client:
        mailbox_id = client.get_mailbox().id
        answers = [_inject(client, raw, mailbox_id) for _, raw in letters]
    rows = [
        {"file": name, **(answer if isinstance(answer, dict) else {"answer": answer})}
        for (name, _), answer in zip(letters, answers, strict=True)
    ]
    session.answer({"injected": rows}, lambda: show_text(f"{len(rows)} messages delivered"))


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


def letters_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the messages of a file or a directory, each with the name of its file.

    Raises:
        CommandError: There is no such file, or it holds no message.
    """
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not found:
            raise CommandError(f"{path} holds no .eml or .mbox file.", "", "no_mail")
        for one in found:
            yield from letters_in(one)
        return
    if not path.is_file():
        raise CommandError(f"There is no file {path}.", "Check the path.", "no_file")
    content = path.read_bytes()
    if content.startswith(b"From "):
        yield from _from_mbox(path)
    elif content.strip():
        yield path.name, content
    else:
        raise CommandError(f"{path} is empty.", "Give a message as it is transmitted.", "no_mail")


def _from_mbox(path: Path) -> Iterator[tuple[str, bytes]]:
    import mailbox

    box = mailbox.mbox(path, create=False)
    try:
        for index, key in enumerate(box.keys()):
            yield f"{path.name}[{index}]", box.get_bytes(key)
    finally:
        box.close()


@command(app)
def outbox(session: Session) -> None:
    """Show what an embedded server has delivered in place of the world."""
    with session.client() as client:
        found = sent_mail(client)
    session.answer({"messages": found}, lambda: _show_outbox(found))


def sent_mail(client: MultiMail) -> list[dict[str, Any]]:
    """Return what the test outbox holds, newest first.

    Raises:
        CommandError: The API is not an embedded server.
    """
    from multimail import Call, NotFoundError

    look: Call[Any] = Call("outbox", "GET", "/v1/test/outbox", lambda reply: reply)
    try:
        reply = client.run(look)
    except NotFoundError:
        raise _not_embedded("outbox", client.base_url) from None
    return list(reply["messages"])


def transmitted(client: MultiMail, email_id: str) -> bytes:
    """Return a message of the test outbox as it would have been transmitted."""
    from multimail import Call

    path = f"/v1/test/outbox/{quote(email_id, safe='')}/raw"
    return client.run(Call("outbox", "GET", path, bytes, raw=True))


def _not_embedded(what: str, url: str) -> CommandError:
    return CommandError(
        f"{url} has no {what}: it is not an embedded server.",
        "Start one by `multimail serve` and set MULTIMAIL_API_URL.",
        "not_embedded",
    )


def _show_outbox(rows: list[dict[str, Any]]) -> None:
    if not rows:
        show_text("Nothing has left.")
        return
    show_table(
        ("ID", "WHEN", "TO", "SUBJECT"),
        (
            (
                _word(one, "email_id", "message_id", "id"),
                _word(one, "delivered_at", "created_at"),
                plain_line(people(_recipients(one)), 60),
                _word(one, "subject"),
            )
            for one in rows
        ),
    )


def _recipients(row: dict[str, Any]) -> list[str]:
    found = row.get("recipients") or row.get("rcpt_to") or row.get("to") or []
    return [found] if isinstance(found, str) else [str(one) for one in found]


def _word(row: dict[str, Any], *names: str) -> str:
    return next((str(row[name]) for name in names if row.get(name)), "")
