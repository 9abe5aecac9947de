"""The measurements of the server. The servers to compare take turns, and results are medians."""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .processes import FREE, SERVE, Client, ServerProcess, measure_rate, start_server

_TEXT = """Hello Ana,

the invoice for **March** was paid on the 4th; the bank's reference is 20417. I have filed it with
the others, and the list that you asked for is up to date again.

- Two are still open: *Northwind* and *Contoso*.
- The next reminder goes out on Monday.

Shall I write to them earlier?
"""
SEND = json.dumps({"to": ["ana@example.com"], "subject": "Invoices", "markdown": _TEXT}).encode()
_PAGES = 200


def measure_starts(times: int) -> tuple[float, float]:
    """Return the median seconds until the banner, and the megabytes of memory at that time."""
    measured: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            with start_server(*SERVE, *FREE, "--data", f"{folder}/mail.db") as server:
                measured.append((server.start_seconds, server.megabytes()))
    return statistics.median(seconds for seconds, _ in measured), max(mb for _, mb in measured)


def fill_mailbox(path: Path, mailbox_id: str, count: int) -> None:
    """Put `count` messages into a mailbox: copies of the one in it, with older ids."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for table, column in (("messages", "id"), ("contents", "message_id")):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(
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
            f"LIMIT :count) INSERT INTO {table} ({columns}) SELECT {values} FROM numbers, "
            f"(SELECT * FROM {table} WHERE {where} ORDER BY rowid LIMIT 1)",
            {"count": count, "box": mailbox_id},
        )
    connection.commit()
    connection.close()


def measure_inbox_pages(sizes: Sequence[int]) -> dict[int, float]:
    """Return the median milliseconds of a page of the inbox, by the size of the mailbox.

    The newest page and a page from the middle, by its cursor, take turns. All servers run at the
    same time and take turns too.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {size: _start_filled(stack, folder / f"{size}.db", size) for size in sizes}
        clients: dict[int, tuple[Client, list[str]]] = {}
        for size, (server, key) in servers.items():
            client = Client(server.banner["url"], key)
            stack.callback(client.close)
            clients[size] = client, page_paths(client, server.banner["mailbox"]["id"], size)
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for number in range(_PAGES):
            for size, (client, paths) in clients.items():
                before = time.perf_counter()
                page = client.request("GET", paths[number % len(paths)])
                times[size].append(time.perf_counter() - before)
                if len(page["emails"]) != 20:
                    raise RuntimeError(f"a page of {size} messages has {len(page['emails'])}")
    return {size: statistics.median(values) * 1000 for size, values in times.items()}


def _start_filled(stack: ExitStack, path: Path, size: int) -> tuple[ServerProcess, str]:
    with start_server(*SERVE, *FREE, "--data", str(path)) as first:
        box, keys = first.banner["mailbox"]["id"], first.banner["keys"]
        client = Client(first.banner["url"], keys["agent"])
        client.request("POST", f"/v1/mailboxes/{box}/send", SEND)
        client.close()
    fill_mailbox(path, box, size)
    return stack.enter_context(start_server(*SERVE, *FREE, "--data", str(path))), keys["agent"]


def page_paths(client: Client, box: str, size: int) -> list[str]:
    """Return the newest page and a page from the middle of a filled mailbox; both were read."""
    from multimail_server.api.routing import build_cursor

    path = f"/v1/mailboxes/{box}/emails"
    middle = f"{path}?cursor={build_cursor(f'msg_{size // 2:026d}')}"
    for page in (path, middle):
        client.request("GET", page)
    return [path, middle]


def measure_sends(connections: int, seconds: float, rounds: int) -> tuple[float, float, float]:
    """Return durable sends a second of this server and of the bare one, and our megabytes."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(start_server(*SERVE, *FREE, "--data", f"{folder}/mail.db"))
        bare = stack.enter_context(
            start_server("-m", "benchmarks.server.bare", "http", f"{folder}/bare.db")
        )
        path = f"/v1/mailboxes/{ours.banner['mailbox']['id']}/send"
        key = ours.banner["keys"]["agent"]
        rates: list[tuple[float, float]] = []
        for _ in range(rounds):
            our_rate = measure_rate(ours.banner["url"], key, path, SEND, connections=connections,
                        seconds=seconds)  # fmt: skip
            bare_rate = measure_rate(bare.banner["url"], "", "/send", SEND, connections=connections,
                          seconds=seconds)  # fmt: skip
            rates.append((our_rate, bare_rate))
        memory = ours.megabytes()
    return (
        statistics.median(rate for rate, _ in rates),
        statistics.median(rate for _, rate in rates),
        memory,
    )
