"""The commands backup, restore and resume: a consistent copy of the data, and a safe way back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from .context import CommandContext, DatabaseOption, DataOption, command, open_data
from .output import CommandError, show_text

app = typer.Typer()

_POSTGRESQL = "Use `pg_dump --format=custom`, and `pg_restore` into an empty database."

CopyArgument = Annotated[Path, typer.Argument(metavar="COPY", help="The file of the backup.")]


@command(app, remote=False)
def backup(
    context: CommandContext,
    copy: CopyArgument,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Copy the data while the server runs; the copy holds mail and keys, so protect it."""
    source = _require_file(data, database)
    if not source.is_file():
        raise CommandError(f"There is no data file {source}.", "Check --data.", "no_file")
    _copy(source, copy)
    size = copy.stat().st_size
    words = f"{copy} holds all of {source} ({size} bytes, checked)."
    key = source.with_name(f"{source.name}.key")
    if key.exists():
        words += f" The logins of connected mailboxes need {key} too: keep it in another place."
    context.answer({"copy": str(copy), "bytes": size}, lambda: show_text(words))


@command(app, remote=False)
def restore(
    context: CommandContext,
    copy: CopyArgument,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a data file of a backup; its deliveries stay paused until `multimail resume`.

    The file must not exist. What was sent after the backup would leave again: look at the outbox
    and at the queue first.
    """
    from multimail_server.services.context import DELIVERIES_PAUSED

    target = _require_file(data, database)
    if not copy.is_file():
        raise CommandError(f"There is no backup {copy}.", "Check the path.", "no_file")
    _copy(copy, target)
    with open_data(target, None) as services:
        services.context.store.write(lambda tx: tx.set_setting(DELIVERIES_PAUSED, "1"))
    lines = (
        f"{target} is restored, and its deliveries are paused. Start the server, cancel or reject "
        f"what has left since the backup, stop it, and run: multimail resume --data {target}"
    )
    context.answer({"data": str(target), "paused": True}, lambda: show_text(lines))


@command(app, remote=False)
def resume(
    context: CommandContext, data: DataOption = None, database: DatabaseOption = None
) -> None:
    """Let the mail of restored data leave again; with a data file, while its server is stopped."""
    from multimail_server.services.context import DELIVERIES_PAUSED

    with open_data(data, database) as services:
        store = services.context.store
        store.write(lambda tx: tx.set_setting(DELIVERIES_PAUSED, ""))
        waiting = store.read(lambda tx: tx.count_work())["outbox"]
    words = f"Deliveries go on with the next start of the server; messages that wait: {waiting}."
    context.answer({"paused": False, "waiting": waiting}, lambda: show_text(words))


def _require_file(data: Path | None, database: str | None) -> Path:
    if database is not None and data is None:
        raise CommandError("PostgreSQL has its own programs for that.", _POSTGRESQL, "postgresql")
    if data is None:
        raise CommandError("The data file was not named.", "Give --data FILE.", "no_data")
    return data


def _copy(source: Path, target: Path) -> None:
    """Copy a data file by SQLite's backup API into a new file that only its owner can read."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise CommandError(f"{target} exists.", "Move it away first.", "exists") from None
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            (answer,) = new.execute("PRAGMA integrity_check").fetchone()
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
    except sqlite3.Error as error:
        target.unlink()
        raise CommandError(
            f"{source} cannot be copied: {error}.", "Name a data file of multimail.", "no_copy"
        ) from None
