"""Curves for `docs/scale.md`: sends, intake and inbox pages, by servers, latency and size.

`python -m benchmarks.server.scale postgresql://user@host/postgres --write` makes databases of its
own there, drops them, and writes the tables of that page.
"""

from __future__ import annotations

import argparse
import itertools
import os
import smtplib
import statistics
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from .database import DELAY, create_database, delayed, make_boxes, measure_sends
from .measure import SEND, page_paths
from .processes import FREE, SERVE, Client, start_server

_PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_LIMITS = ("--smtp-per-minute", "1000000", "--smtp-connections", "500")
_NO_DNS = Path(__file__).parents[2] / "shared/multimail_server/testing/no_dns.zone"
_SMTP_CLIENTS = 16
_REQUESTS = 200
_BAR = 40


def measure_intake(url: str, servers: int, seconds: float) -> float:
    """Return how many messages a second so many servers store, for eight mailboxes in turn."""
    with ExitStack() as stack:
        options = (*SERVE, *FREE, *_LIMITS, "--dns-zone", str(_NO_DNS), "--database", url)
        started = [stack.enter_context(start_server(*options)) for _ in range(servers)]
        addresses = [box["address"] for box in make_boxes(started[0])]
        counts, end = [0] * _SMTP_CLIENTS, threading.Event()
        begin = threading.Barrier(_SMTP_CLIENTS + 1)

        def keep_delivering(number: int) -> None:
            host, _, port = started[number % servers].banner["smtp"].rpartition(":")
            with smtplib.SMTP(host, int(port), timeout=60) as smtp:
                begin.wait()
                for turn in itertools.count():
                    if end.is_set():
                        return
                    box = addresses[(number // servers + turn) % len(addresses)]
                    smtp.sendmail("ann@example.com", [box], _build_mail(number, turn, box))
                    counts[number] += 1

        threads = [threading.Thread(target=keep_delivering, args=(n,)) for n in range(len(counts))]
        for thread in threads:
            thread.start()
        begin.wait()
        before = time.perf_counter()
        end.wait(seconds)
        end.set()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - before)


def _build_mail(number: int, turn: int, box: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "ann@example.com", box, f"Order {turn}"
    message["Message-ID"] = f"<{number}.{turn}.{time.time_ns()}@example.com>"
    message.set_content("Where is my order?\n" * 40)
    return message.as_bytes()


def measure_pages(url: str, size: int) -> tuple[float, float]:
    """Return the median milliseconds of an inbox page, and the bytes that a message takes."""
    with start_server(*SERVE, *FREE, "--database", url) as server:
        box = server.banner["mailbox"]["id"]
        client = Client(server.banner["url"], server.banner["keys"]["agent"])
        client.request("POST", f"/v1/mailboxes/{box}/send", SEND)
        bytes_each = _fill(url, size) / size
        paths, times = page_paths(client, box, size), []
        for number in range(_REQUESTS):
            before = time.perf_counter()
            client.request("GET", paths[number % len(paths)])
            times.append(time.perf_counter() - before)
        client.close()
    return statistics.median(times) * 1000, bytes_each


def _fill(url: str, size: int) -> int:
    """Copy the one message `size` times with older ids; return the bytes of its two tables."""
    import psycopg

    own = {
        "id": "'msg_' || lpad(n::text, 26, '0')",
        "message_id": "'msg_' || lpad(n::text, 26, '0')",
        "created_at": f"created_at - ({size} - n)::bigint * 1000000",
        "raw_sha256": "raw_sha256 || ' ' || n",
        "thread_id": "'thr_' || lpad((n / 4)::text, 26, '0')",
    }
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("messages", "contents"):
            named = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            names = [str(row[0]) for row in connection.execute(named, (table,))]
            columns = ", ".join(f'"{name}"' for name in names)
            values = ", ".join(own.get(name, f'"{name}"') for name in names)
            sql = (
                f"INSERT INTO {table} ({columns}) SELECT {values} "  # noqa: S608
                f"FROM (SELECT * FROM {table} LIMIT 1) one, generate_series(1, {size}) n"
            )
            connection.execute(sql.encode())
            connection.execute(f"VACUUM ANALYZE {table}".encode())
        sizes = "SELECT pg_total_relation_size('messages') + pg_total_relation_size('contents')"
        row = connection.execute(sizes.encode()).fetchone()
    return int(row[0]) if row else 0


def render_table(title: Sequence[str], rows: Iterable[Sequence[Any]], bar: int) -> str:
    """Return a table in Markdown, with a plot of column `bar` in a column of its own."""
    listed = [list(row) for row in rows]
    most = max(float(row[bar]) for row in listed) or 1.0
    lines = [f"| {' | '.join([*title, ''])} |", f"|{'---|' * (len(title) + 1)}"]
    for row in listed:
        plot = "█" * max(1, round(_BAR * float(row[bar]) / most))
        cells = [_format(cell) for cell in row]
        lines.append(f"| {' | '.join([*cells, plot])} |")
    return "\n".join(lines)


def _format(cell: object) -> str:
    if not isinstance(cell, int | float):
        return str(cell)
    return f"{cell:.3g}" if isinstance(cell, float) and cell < 100 else f"{cell:,.0f}"


def measure_all(url: str, seconds: float, sizes: Sequence[int], servers: Sequence[int]) -> str:
    """Return the measured part of the page."""
    sends, intake, pages = [], [], []
    for delay, count in itertools.product((0.0, DELAY), servers):
        way = f"{delay * 1000:g} ms"
        with create_database(url) as fresh, delayed(fresh, delay) as database:
            rate = measure_sends(("--database", database), count, connections=32, seconds=seconds)
            sends.append((count, way, rate.sends, f"{rate.busy:.0%}"))
        with create_database(url) as fresh, delayed(fresh, delay) as database:
            intake.append((count, way, measure_intake(database, count, seconds)))
    for size in sizes:
        with create_database(url) as fresh:
            pages.append((size, *measure_pages(fresh, size)))
    about = (
        f"Measured with {os.cpu_count()} cores, {seconds:g} seconds for each figure; the servers, "
        "the database and the clients share them."
    )
    parts = (
        about,
        "### Sends",
        render_table(("servers", "each way", "sends/s", "processors busy"), sends, 2),
        "### Intake",
        render_table(("servers", "each way", "messages/s"), intake, 2),
        "### Inbox pages",
        render_table(("messages in the mailbox", "ms a page", "bytes a message"), pages, 1),
    )
    return "\n\n".join(parts)


def main() -> None:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="a database of a role that may create others")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**n for n in range(3, 7)])
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    options = parser.parse_args()
    text = measure_all(options.url, options.seconds, options.sizes, options.servers)
    print(text)
    if options.write:
        page = _PAGE.read_text("utf-8")
        before, after = page.partition(_BEGIN)[0], page.partition(_END)[2]
        _PAGE.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    main()
