"""The measurements. Ratios are of medians, taken in turns, so that a busy machine hurts both."""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .processes import FREE, SERVE, Client, Running, rate, running

_TEXT = """Hello Ana,

the invoice for **March** was paid on the 4th; the bank's reference is 20417. I have filed it with
the others, and the list that you asked for is up to date again.

- Two are still open: *Northwind* and *Contoso*.
- The next reminder goes out on Monday.

Shall I write to them earlier?
"""
SEND = json.dumps({"to": ["ana@example.com"], "subject": "Invoices", "markdown": _TEXT}).encode()
_PAGES = 200


def starts(times: int) -> tuple[float, float]:
    """Return the median seconds from the command to its banner, and the megabytes it then has."""
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            with running(*SERVE, *FREE, "--data", f"{folder}/mail.db") as server:
                found.append((server.start_seconds, server.megabytes()))
    return statistics.median(one for one, _ in found), max(two for _, two in found)


def fill(path: Path, mailbox_id: str, count: int) -> None:
    """Put so many messages into a mailbox: copies of the one that is there, with older ids."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for table, column in (("messages", "id"), ("contents", "message_id")):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        listed = ", ".join(f'"{name}"' for name in names)
        made = ", ".join(
            "printf('msg_%026d', n)" if name == column
            else "created_at - (:count - n) * 1000000" if name == "created_at"
            else "printf('%s %d', raw_sha256, n)" if name == "raw_sha256"
            else "printf('thr_%026d', n / 4)" if name == "thread_id"
            else f'"{name}"'
            for name in names
        )  # fmt: skip
        where = "mailbox_id = :box" if table == "messages" else "true"
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "  # noqa: S608
            f"LIMIT :count) INSERT INTO {table} ({listed}) SELECT {made} FROM numbers, "
            f"(SELECT * FROM {table} WHERE {where} ORDER BY rowid LIMIT 1)",
            {"count": count, "box": mailbox_id},
        )
    connection.commit()
    connection.close()


def inbox_pages(sizes: Sequence[int]) -> dict[int, float]:
    """Return the median milliseconds of one page of the inbox, by the mailbox's size.

    The page is the newest one and, in turns, one from the middle by its cursor. All servers run at
    once and are asked in turns.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        filled = {size: _filled(stack, folder / f"{size}.db", size) for size in sizes}
        asked: dict[int, tuple[Client, list[str]]] = {}
        for size, (server, key) in filled.items():
            client = Client(server.banner["url"], key)
            stack.callback(client.close)
            asked[size] = client, _page_paths(client, server.banner["mailbox"]["id"], size)
        taken: dict[int, list[float]] = {size: [] for size in sizes}
        for number in range(_PAGES):
            for size, (client, paths) in asked.items():
                before = time.perf_counter()
                page = client.ask("GET", paths[number % len(paths)])
                taken[size].append(time.perf_counter() - before)
                if len(page["emails"]) != 20:
                    raise RuntimeError(f"a page of {size} messages has {len(page['emails'])}")
    return {size: statistics.median(times) * 1000 for size, times in taken.items()}


def _filled(stack: ExitStack, path: Path, size: int) -> tuple[Running, str]:
    with running(*SERVE, *FREE, "--data", str(path)) as first:
        box, keys = first.banner["mailbox"]["id"], first.banner["keys"]
        client = Client(first.banner["url"], keys["agent"])
        client.ask("POST", f"/v1/mailboxes/{box}/send", SEND)
        client.close()
    fill(path, box, size)
    return stack.enter_context(running(*SERVE, *FREE, "--data", str(path))), keys["agent"]


def _page_paths(client: Client, box: str, size: int) -> list[str]:
    from multimail_server.api.request import build_cursor

    path = f"/v1/mailboxes/{box}/emails"
    middle = f"{path}?cursor={build_cursor(f'msg_{size // 2:026d}')}"
    for one in (path, middle):
        client.ask("GET", one)
    return [path, middle]


def sends(connections: int, seconds: float, rounds: int) -> tuple[float, float, float]:
    """Return durable sends a second: of this server, of the bare handler; and its megabytes."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(running(*SERVE, *FREE, "--data", f"{folder}/mail.db"))
        bare = stack.enter_context(running("-m", "benchmarks.server.bare", f"{folder}/bare.db"))
        path = f"/v1/mailboxes/{ours.banner['mailbox']['id']}/send"
        key = ours.banner["keys"]["agent"]
        found: list[tuple[float, float]] = []
        for _ in range(rounds):
            mine = rate(ours.banner["url"], key, path, SEND, connections=connections,
                        seconds=seconds)  # fmt: skip
            theirs = rate(bare.banner["url"], "", "/send", SEND, connections=connections,
                          seconds=seconds)  # fmt: skip
            found.append((mine, theirs))
        memory = ours.megabytes()
    return (
        statistics.median(mine for mine, _ in found),
        statistics.median(theirs for _, theirs in found),
        memory,
    )
