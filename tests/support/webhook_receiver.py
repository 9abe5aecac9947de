"""An HTTP server that keeps the webhook requests it gets and answers as the test says."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Posted:
    """One request; its header names are in lower case."""

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


class WebhookReceiver:
    """Takes POST requests on a free port of loopback. A context manager.

    Attributes:
        status, location: What it answers.
        release: Where set, it answers when this event is set.
        on_request: Called with each request before it is answered.
        posted: All requests, in order.
    """

    def __init__(self) -> None:
        self.status, self.location = 200, ""
        self.release: threading.Event | None = None
        self.on_request: Callable[[Posted], None] = lambda _: None
        self.posted: list[Posted] = []
        self._changed = threading.Condition()
        self._server = _Server(self, self._changed)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return self.url_for("/hook")

    def url_for(self, path: str) -> str:
        """Return the URL of a path on this receiver."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    @property
    def types(self) -> list[str]:
        """The types of all events so far."""
        return [posted.event["type"] for posted in self.posted]

    def wait(self, count: int) -> list[Posted]:
        """Return all requests as soon as there are `count`."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.posted) >= count, _TIMEOUT)
            assert arrived, self.types
            return list(self.posted)

    def wait_for(self, kind: str) -> Posted:
        """Return the first event of a type as soon as it came."""
        with self._changed:
            assert self._changed.wait_for(lambda: kind in self.types, _TIMEOUT), self.types
            return self.posted[self.types.index(kind)]

    def wait_until_idle(self) -> None:
        """Wait until all requests are taken that a server which has ended had sent."""
        # Connections are accepted in order: when this one is answered, all before it are open.
        with socket.create_connection(("127.0.0.1", self._server.server_port), _TIMEOUT) as probe:
            probe.sendall(b"OPTIONS * HTTP/1.0\r\n\r\n")
            probe.recv(1)
        with self._changed:
            assert self._changed.wait_for(lambda: self._server.open_connections == 0, _TIMEOUT)

    def take(self, posted: Posted) -> None:
        """Keep a request and wait for the moment to answer it."""
        self.on_request(posted)
        release = self.release
        with self._changed:
            self.posted.append(posted)
            self._changed.notify_all()
        if release is not None:
            release.wait(_TIMEOUT)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.release is not None:
            self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionResetError  # the sender was killed
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, _Server)
        receiver = self.server.receiver
        status, location = receiver.status, receiver.location
        receiver.take(Posted(self.path, headers, raw))
        self._answer(status, location)

    def do_OPTIONS(self) -> None:
        self._answer(204, "")

    def _answer(self, status: int, location: str) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    """Counts its open connections, and notifies `changed` when one has ended."""

    daemon_threads = True

    def __init__(self, receiver: WebhookReceiver, changed: threading.Condition) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receiver, self.open_connections, self._changed = receiver, 0, changed

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection before its thread begins."""
        with self._changed:
            self.open_connections += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection's requests to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self.open_connections -= 1
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a sender that was killed or gave up in the middle of its request."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
