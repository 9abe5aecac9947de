"""Durable sends on PostgreSQL, by the latency to the database and the number of servers.

`python -m benchmarks.server.database postgresql://user@host/postgres` makes databases of its own
there and drops them. All sends go to eight mailboxes in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .delay import DelayingProxy
from .measure import SEND
from .processes import FREE, SERVE, Client, ServerProcess, start_server

MAILBOXES = 8
DELAY = 0.002
"""Seconds to the database and as many back."""
_TRIP_DELAY = 0.02
_SENDS_FOR_TRIPS = 20


@dataclass(frozen=True, slots=True)
class Rate:
    """Sends a second, and how busy the processors of the machine were: 1.0 for all of them."""

    sends: float
    busy: float


@contextmanager
def create_database(url: str) -> Iterator[str]:
    """Create an empty database beside another one; drop it at the end."""
    import psycopg

    name = f"multimail_bench_{time.time_ns()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def delayed(url: str, seconds: float) -> Iterator[str]:
    """Give the URL by which a database is reached with so much latency in each direction."""
    if not seconds:
        yield url
        return
    parts = urlsplit(url)
    with DelayingProxy(parts.hostname or "127.0.0.1", parts.port or 5432, seconds) as proxy:
        user, at, _ = parts.netloc.rpartition("@")
        yield urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}"))


def measure_sends(store: Sequence[str], servers: int, *, connections: int, seconds: float) -> Rate:
    """Return the rate of so many servers on one store, given as options of `serve`."""
    with ExitStack() as stack:
        started = [stack.enter_context(start_server(*SERVE, *FREE, *store)) for _ in range(servers)]
        paths = [f"/v1/mailboxes/{box['id']}/send" for box in make_boxes(started[0])]
        key = started[0].banner["keys"]["agent"]
        counts = [0] * connections
        begin, end = threading.Barrier(connections + 1), threading.Event()

        def keep_sending(number: int) -> None:
            client = Client(started[number % servers].banner["url"], key)
            path = paths[number // servers % MAILBOXES]
            client.request("POST", path, SEND)
            begin.wait()
            while not end.is_set():
                client.request("POST", path, SEND)
                counts[number] += 1
            client.close()

        threads = [threading.Thread(target=keep_sending, args=(n,)) for n in range(connections)]
        for thread in threads:
            thread.start()
        begin.wait()
        start, before = time.perf_counter(), _read_processors()
        time.sleep(seconds)
        idle, total = (after - old for after, old in zip(_read_processors(), before, strict=True))
        end.set()
        for thread in threads:
            thread.join()
        return Rate(sum(counts) / (time.perf_counter() - start), 1 - idle / max(total, 1))


def count_trips(url: str) -> float:
    """Return how many round trips to the database one send waits for, with all that it reads."""
    medians = []
    for delay in (0.0, _TRIP_DELAY):
        with (
            create_database(url) as fresh,
            delayed(fresh, delay) as database,
            start_server(*SERVE, *FREE, "--database", database) as server,
        ):
            medians.append(_time_sends(server))
    return (medians[1] - medians[0]) / (2 * _TRIP_DELAY)


def _time_sends(server: ServerProcess) -> float:
    client = Client(server.banner["url"], server.banner["keys"]["agent"])
    path = f"/v1/mailboxes/{server.banner['mailbox']['id']}/send"
    times = []
    for _ in range(_SENDS_FOR_TRIPS):
        before = time.perf_counter()
        client.request("POST", path, SEND)
        times.append(time.perf_counter() - before)
    client.close()
    return statistics.median(times)


def make_boxes(server: ServerProcess) -> list[dict[str, str]]:
    """Return eight mailboxes, each with `id` and `address`: the first one and seven new ones."""
    client = Client(server.banner["url"], server.banner["keys"]["admin"])
    first = server.banner["mailbox"]
    domain = first["address"].partition("@")[2]
    boxes = [first]
    for number in range(1, MAILBOXES):
        body = json.dumps({"address": f"box{number}@{domain}"}).encode()
        boxes.append(client.request("POST", "/v1/mailboxes", body))
    client.close()
    return boxes


def _read_processors() -> tuple[int, int]:
    """Return the idle and all ticks of the processors since the start; zeros if unknown."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        return 0, 0
    return ticks[3] + ticks[4], sum(ticks)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="a database of a role that may create others")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    print("| store | servers | sends/s | processors busy |\n|---|---|---|---|")

    def show(name: str, servers: int, store: Sequence[str]) -> None:
        rate = measure_sends(
            store, servers, connections=options.connections, seconds=options.seconds
        )
        print(f"| {name} | {servers} | {rate.sends:.0f} | {rate.busy:.0%} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        show("SQLite", 1, ("--data", f"{folder}/mail.db"))
    for servers in (1, 2, 4):
        for delay in (0.0, DELAY):
            with create_database(options.url) as fresh, delayed(fresh, delay) as database:
                show(f"PostgreSQL, {delay * 1000:g} ms each way", servers, ("--database", database))
    print(f"\nA send waits for {count_trips(options.url):.1f} round trips.")


if __name__ == "__main__":
    main()
