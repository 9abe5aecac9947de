"""The server: its start, its memory, a page of the inbox, a durable send, the intake of mail."""

from __future__ import annotations

import itertools
import smtplib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.server import measure as server
from benchmarks.server.processes import FREE, SERVE, Client, running

from .figures import Curve, Figure, Part
from .mails import DOMAIN, Mail, prose
from .sizes import Sizes
from .turns import medians

_CONNECTIONS = 16
_SMTP_CLIENTS = 8
_LIMITS = ("--smtp-per-minute", "1000000", "--smtp-connections", "500")


def measure(sizes: Sizes) -> Part:
    """Measure the server beside the least that could do the same."""
    ours, accepted, bare = _first_answers(sizes.starts)
    banner, idle = server.starts(sizes.starts)
    pages = server.inbox_pages([10**power for power in range(3, sizes.powers + 1)])
    sent, handled, busy = server.sends(_CONNECTIONS, sizes.seconds, sizes.rounds)
    (smallest, first), *_, (largest, last) = pages.items()
    figures = [
        Figure("cold start to the first answer", ours, "s", "bare Starlette + uvicorn", bare,
               target=1.3),
        Figure("cold start to the first send accepted", accepted, "s",
               "bare Starlette + uvicorn", bare),
        Figure("cold start to the banner", banner, "s", target=1.0),
        Figure("memory at the banner", idle, "MB", target=80.0),
        Figure("memory after the sends", busy, "MB"),
        Figure(f"durable sends, {_CONNECTIONS} connections", sent, "/s",
               "a bare Starlette handler, one row with the same durability", handled,
               target=0.7, at_least=True),
        Figure(f"inbox page of {largest:,} messages", last, "ms",
               f"of {smallest:,} messages", first, target=1.2),
        *_intake(sizes),
    ]  # fmt: skip
    points = [(float(size), took) for size, took in pages.items()]
    curve = Curve(
        "A page of the inbox", "messages in the mailbox", "milliseconds", {"page of 20": points}
    )
    return Part("server", "The server", figures, {"inbox": curve}, _NOTE)


_NOTE = (
    "Every server is a process of its own, with bytecode cached. What the first listing does not"
    " need is imported with its first use: markdown's parser with the first send, which has a row,"
    " what reads HTML, DKIM and DNS with the first mail, templates with the first page; the schema"
    " of a body is built with its first request. Sends and intake are kept before they are"
    " acknowledged (SQLite, WAL, synchronous FULL). The inbox page is the newest one and, in"
    " turns, one from the middle by its cursor. Intake: mail of 2 KB without a signature, each"
    " with a Message-ID of its own, over 8 connections. Ours is parsed, labelled, threaded and"
    " stored; bare aiosmtpd throws it away, and in the second row keeps it."
)


def _first_answers(times: int) -> tuple[float, float, float]:
    """Return the median seconds from the command to the first answer, in turns.

    Returns:
        Ours to a listing, ours to a send, and the bare handler's to a send.
    """

    def first(*command: str, path: str, body: bytes | None) -> float:
        before = time.perf_counter()
        with running(*command) as process:
            key = process.banner.get("keys", {}).get("agent", "")
            box = process.banner.get("mailbox", {}).get("id", "")
            client = Client(process.banner["url"], key)
            client.ask("POST" if body else "GET", path.replace("{mailbox}", box), body)
            seconds = time.perf_counter() - before
            client.close()
        return seconds

    with tempfile.TemporaryDirectory() as folder:
        names = iter(range(10_000))

        def ours(path: str, body: bytes | None) -> float:
            data = f"{folder}/{next(names)}.db"
            return first(*SERVE, *FREE, "--data", data, path=path, body=body)

        found = medians(
            {
                "listing": lambda: ours("/v1/mailboxes", None),
                "send": lambda: ours("/v1/mailboxes/{mailbox}/send", server.SEND),
                "bare": lambda: first(
                    "-m", "benchmarks.server.bare", f"{folder}/{next(names)}.db",
                    path="/send", body=server.SEND,
                ),
            },
            times,
        )  # fmt: skip
    return found["listing"], found["send"], found["bare"]


def _intake(sizes: Sizes) -> list[Figure]:
    mail = Mail(0, f"desk@{DOMAIN}", "Two kilobytes", prose(2000))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        zone = f"{folder}/zone"
        with open(zone, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f'_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=none"\n')
        ours = stack.enter_context(
            running(*SERVE, *FREE, *_LIMITS, "--dns-zone", zone, "--data", f"{folder}/ours.db")
        )
        discards = stack.enter_context(running("-m", "benchmarks.costs.bare_smtp"))
        keeps = stack.enter_context(
            running("-m", "benchmarks.costs.bare_smtp", f"{folder}/bare.db")
        )
        box = ours.banner["mailbox"]["address"]
        mails = _mails(mail, box)
        addresses = [one.banner["smtp"] for one in (ours, discards, keeps)]
        for address in addresses:  # the first mail of a process imports what the rest uses
            _rate(address, box, mails, 1)
        rates = [
            [_rate(one, box, mails, sizes.smtp) for one in addresses] for _ in range(sizes.rounds)
        ]
    mine, bare, durable = (statistics.median(column) for column in zip(*rates, strict=True))
    return [
        Figure("SMTP intake, no signature in the mail", mine, "/s", "bare aiosmtpd", bare,
               target=0.5, at_least=True),
        Figure("SMTP intake, no signature in the mail", mine, "/s",
               "bare aiosmtpd that keeps each message durably", durable),
    ]  # fmt: skip


def _mails(mail: Mail, box: str) -> Iterator[bytes]:
    """Return a mail again and again, each time with another Message-ID.

    The same bytes for the same mailbox would be stored once, and then only looked up.
    """
    raw, own = mail.mime(box), mail.message_id.encode()
    return (raw.replace(own, b"<%d.%s" % (number, own[1:])) for number in itertools.count())


def _rate(address: str, box: str, mails: Iterator[bytes], count: int) -> float:
    """Return how many messages a second are accepted."""
    host, _, port = address.rpartition(":")
    begin = threading.Barrier(_SMTP_CLIENTS + 1)
    failed: list[Exception] = []

    def post(own: list[bytes]) -> None:
        try:
            with smtplib.SMTP(host, int(port), timeout=60) as connection:
                begin.wait()
                for raw in own:
                    connection.sendmail(f"bounces@{DOMAIN}", [box], raw)
        except Exception as error:  # told to the one who waits, below
            failed.append(error)
            begin.abort()

    threads: Sequence[threading.Thread] = [
        threading.Thread(target=post, args=(list(itertools.islice(mails, count)),))
        for _ in range(_SMTP_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    begin.wait()
    before = time.perf_counter()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"A message was not accepted: {failed[0]}")
    return _SMTP_CLIENTS * count / (time.perf_counter() - before)
