"""The server: its start, its memory, a page of the inbox, durable sends, receiving mail."""

from __future__ import annotations

import itertools
import smtplib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.server import measure
from benchmarks.server.processes import FREE, SERVE, Client, start_server

from .dataset import DOMAIN, Mail, prose
from .metrics import Curve, Figure, Part, Sizes
from .timing import medians

_CONNECTIONS = 16
_SMTP_CLIENTS = 8
_LIMITS = ("--smtp-per-minute", "1000000", "--smtp-connections", "500")


def measure_server(sizes: Sizes) -> Part:
    """Measure the server and compare it with bare ones."""
    ours, accepted, bare = _measure_first_responses(sizes.starts)
    banner, idle_memory = measure.measure_starts(sizes.starts)
    pages = measure.measure_inbox_pages([10**power for power in range(3, sizes.powers + 1)])
    our_sends, bare_sends, busy_memory = measure.measure_sends(
        _CONNECTIONS, sizes.seconds, sizes.rounds
    )
    (smallest, first), *_, (largest, last) = pages.items()
    figures = [
        Figure("cold start to the first answer", ours, "s", "bare Starlette + uvicorn", bare,
               target=1.3),
        Figure("cold start to the first send accepted", accepted, "s",
               "bare Starlette + uvicorn", bare),
        Figure("cold start to the banner", banner, "s", target=1.0),
        Figure("memory at the banner", idle_memory, "MB", target=80.0),
        Figure("memory after the sends", busy_memory, "MB"),
        Figure(f"durable sends, {_CONNECTIONS} connections", our_sends, "/s",
               "a bare Starlette handler, one row with the same durability", bare_sends,
               target=0.7, at_least=True),
        Figure(f"inbox page of {largest:,} messages", last, "ms",
               f"of {smallest:,} messages", first, target=1.2),
        *_measure_intake(sizes),
    ]  # fmt: skip
    points = [(float(size), milliseconds) for size, milliseconds in pages.items()]
    curve = Curve(
        "A page of the inbox", "messages in the mailbox", "milliseconds", {"page of 20": points}
    )
    return Part("server", "The server", figures, {"inbox": curve}, _NOTE)


_NOTE = (
    "Every server is a separate process with bytecode cached. Modules that the first listing does"
    " not need are imported at their first use: the Markdown parser with the first send, which has"
    " a row, the parsers of HTML, DKIM and DNS with the first mail, templates with the first page;"
    " the schema of a body is built with its first request. Sends and incoming mail are stored"
    " before they are acknowledged (SQLite, WAL, synchronous FULL). The newest page of the inbox"
    " and one from the middle, by its cursor, take turns. Intake: mail of 2 KB without a signature,"
    " each with a different Message-ID, over 8 connections. This server parses, labels, threads and"
    " stores it; bare aiosmtpd discards it, and stores it in the second row."
)


def _measure_first_responses(times: int) -> tuple[float, float, float]:
    """Return the median seconds from the start of a process to its first response.

    Returns:
        The seconds of this server for a listing and for a send, and of the bare one for a send.
    """

    def time_first(*command: str, path: str, body: bytes | None) -> float:
        before = time.perf_counter()
        with start_server(*command) as process:
            key = process.banner.get("keys", {}).get("agent", "")
            box = process.banner.get("mailbox", {}).get("id", "")
            client = Client(process.banner["url"], key)
            client.request("POST" if body else "GET", path.replace("{mailbox}", box), body)
            seconds = time.perf_counter() - before
            client.close()
        return seconds

    with tempfile.TemporaryDirectory() as folder:
        names = iter(range(10_000))

        def ours(path: str, body: bytes | None) -> float:
            data = f"{folder}/{next(names)}.db"
            return time_first(*SERVE, *FREE, "--data", data, path=path, body=body)

        seconds = medians(
            {
                "listing": lambda: ours("/v1/mailboxes", None),
                "send": lambda: ours("/v1/mailboxes/{mailbox}/send", measure.SEND),
                "bare": lambda: time_first(
                    "-m", "benchmarks.server.bare", "http", f"{folder}/{next(names)}.db",
                    path="/send", body=measure.SEND,
                ),
            },
            times,
        )  # fmt: skip
    return seconds["listing"], seconds["send"], seconds["bare"]


def _measure_intake(sizes: Sizes) -> list[Figure]:
    mail = Mail(0, f"desk@{DOMAIN}", "Two kilobytes", prose(2000))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        zone = f"{folder}/zone"
        with open(zone, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f'_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=none"\n')
        ours = stack.enter_context(
            start_server(*SERVE, *FREE, *_LIMITS, "--dns-zone", zone, "--data", f"{folder}/ours.db")
        )
        discarding = stack.enter_context(start_server("-m", "benchmarks.server.bare", "smtp"))
        storing = stack.enter_context(
            start_server("-m", "benchmarks.server.bare", "smtp", f"{folder}/bare.db")
        )
        box = ours.banner["mailbox"]["address"]
        mails = _iter_mails(mail, box)
        addresses = [server.banner["smtp"] for server in (ours, discarding, storing)]
        for address in addresses:  # The first mail of a process imports modules.
            _measure_intake_rate(address, box, mails, 1)
        rates = [
            [_measure_intake_rate(address, box, mails, sizes.smtp) for address in addresses]
            for _ in range(sizes.rounds)
        ]
    mine, bare, durable = (statistics.median(column) for column in zip(*rates, strict=True))
    return [
        Figure("SMTP intake, no signature in the mail", mine, "/s", "bare aiosmtpd", bare,
               target=0.5, at_least=True),
        Figure("SMTP intake, no signature in the mail", mine, "/s",
               "bare aiosmtpd that keeps each message durably", durable),
    ]  # fmt: skip


def _iter_mails(mail: Mail, box: str) -> Iterator[bytes]:
    """Yield a mail repeatedly, each time with another Message-ID.

    The server stores the same bytes for the same mailbox only once.
    """
    raw, message_id = mail.mime(box), mail.message_id.encode()
    return (
        raw.replace(message_id, b"<%d.%s" % (number, message_id[1:]))
        for number in itertools.count()
    )


def _measure_intake_rate(address: str, box: str, mails: Iterator[bytes], count: int) -> float:
    """Return how many messages a second the server accepts."""
    host, _, port = address.rpartition(":")
    begin = threading.Barrier(_SMTP_CLIENTS + 1)
    failed: list[Exception] = []

    def send(messages: list[bytes]) -> None:
        try:
            with smtplib.SMTP(host, int(port), timeout=60) as connection:
                begin.wait()
                for raw in messages:
                    connection.sendmail(f"bounces@{DOMAIN}", [box], raw)
        except Exception as error:  # Raised below, in the main thread.
            failed.append(error)
            begin.abort()

    threads: Sequence[threading.Thread] = [
        threading.Thread(target=send, args=(list(itertools.islice(mails, count)),))
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
