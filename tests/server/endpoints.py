"""An endpoint for webhooks: a real HTTP server that keeps what it is sent and answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Posted:
    """One request."""

    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.raw)
        return decoded

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Endpoint:
    """What the endpoint got, and what it answers: `status`, after `release` if that is set."""

    url: str = ""
    status: int = 200
    location: str | None = None
    release: threading.Event | None = None
    posted: list[Posted] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, posted: Posted) -> None:
        with self._changed:
            self.posted.append(posted)
            self._changed.notify_all()

    def wait(self, count: int, timeout: float = 20.0) -> list[Posted]:
        """Return what came, as soon as it is `count` requests."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posted) >= count, timeout), self.types
            return list(self.posted)

    def wait_for(self, kind: str, timeout: float = 20.0) -> Posted:
        """Return the first event of a type, as soon as it came."""

        def look() -> Posted | None:
            return next((one for one in self.posted if one.event["type"] == kind), None)

        with self._changed:
            found = self._changed.wait_for(look, timeout)
            assert found is not None, self.types
            return found

    @property
    def types(self) -> list[str]:
        return [one.event["type"] for one in self.posted]


@contextmanager
def listening() -> Iterator[Endpoint]:
    """Run an endpoint on a free port."""
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            raw = self.rfile.read(length)
            if len(raw) < length:  # the sender died
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, release = endpoint.status, endpoint.release
            endpoint.take(Posted(self.path, headers, raw))
            if release is not None:
                release.wait(30)
            try:
                self.send_response(status)
                if endpoint.location is not None:
                    self.send_header("Location", endpoint.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        if endpoint.release is not None:
            endpoint.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def eventually(look: Callable[[], Any], wait_for: Callable[..., Any]) -> Any:
    """Return what `look` finds once the server has committed it."""
    found = wait_for(look, 20.0)
    assert found is not None, "it was never committed"
    return found
