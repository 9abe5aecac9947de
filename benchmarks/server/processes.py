"""Server processes to measure, and clients that put load on them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SERVE = ("-c", "from multimail_cli.main import run; run()", "serve", "--json")
FREE = ("--port", "0", "--smtp-port", "0")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server process that is ready."""

    pid: int
    banner: dict[str, Any]
    start_seconds: float

    def megabytes(self) -> float:
        """Return its resident memory; 0 if the system does not report it."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0.0
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1000


@contextmanager
def start_server(*arguments: str) -> Iterator[ServerProcess]:
    """Run Python with these arguments until the block ends; it prints a line of JSON when ready."""
    before = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - this Python and our own arguments
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        seconds = time.perf_counter() - before
        yield ServerProcess(process.pid, json.loads(line), seconds)
    finally:
        process.kill()
        process.communicate()


class Client:
    """An HTTP client with one connection, which stays open."""

    def __init__(self, url: str, key: str = "") -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def request(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Return the JSON of a response; an error status ends the measurement."""
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def measure_rate(
    url: str, key: str, path: str, body: bytes, *, connections: int, seconds: float
) -> float:
    """Return how many requests a second the server answers over that many connections."""
    counts = [0] * connections
    begin, end = threading.Barrier(connections + 1), threading.Event()

    def keep_posting(number: int) -> None:
        client = Client(url, key)
        client.request("POST", path, body)
        begin.wait()
        while not end.is_set():
            client.request("POST", path, body)
            counts[number] += 1
        client.close()

    threads = [threading.Thread(target=keep_posting, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    end.wait(seconds)
    end.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)
