"""The webhook receiver of the proofs: HTTP in the test's process, which takes every event."""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from multimail.webhooks import WebhookError, verify

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Posted:
    """One event that was posted, and whose signature is right.

    Attributes:
        run: Which start of the server posted it.
        path: Which subscription it was posted for.
        event_id: The same at each try.
        kind: Such as `message.sent`.
        message_id: What it tells of.
        digest: Of the body.
    """

    run: int
    path: str
    event_id: str
    kind: str
    message_id: str
    digest: str


class Receiver:
    """An endpoint that takes everything that is signed.

    Attributes:
        run: The present start of the server.
        secrets: The signing secret of each subscription, by the path of its URL.
        posted: All that was posted, in order.
        wrong: What was posted and not signed as it should be.
        on_post: Called for each before it is answered.
    """

    def __init__(self) -> None:
        self.run = 0
        self.secrets: dict[str, str] = {}
        self.posted: list[Posted] = []
        self.wrong: list[WebhookError] = []
        self.on_post: Callable[[], None] = lambda: None
        self._changed = threading.Condition()
        self._http = _Http(("127.0.0.1", 0), self._handler(), self._changed)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def url(self, path: str) -> str:
        """Return the URL of a path on this receiver."""
        return f"http://127.0.0.1:{self._http.server_port}{path}"

    def begin_run(self) -> None:
        """Count up the run, once all is taken that the server which was killed had posted."""
        # Connections are taken in order: when this one is answered, all before it are open.
        with socket.create_connection(("127.0.0.1", self._http.server_port), _PATIENCE) as probe:
            probe.sendall(b"OPTIONS * HTTP/1.0\r\n\r\n")
            probe.recv(1)
        with self._changed:
            assert self._changed.wait_for(lambda: self._http.open == 0, _PATIENCE)
            self.run += 1

    def take(self, path: str, headers: Any, body: bytes) -> None:
        """Check a request and keep what it tells."""
        self._keep(path, headers, body)
        self.on_post()

    def _keep(self, path: str, headers: Any, body: bytes) -> None:
        try:
            event = verify(
                body, headers, self.secrets.get(path, ""), require_replay_protection=True
            )
        except WebhookError as error:
            self.wrong.append(error)
            return
        digest = hashlib.sha256(body).hexdigest()
        with self._changed:
            told = Posted(self.run, path, event.id, event.type, event.message_id, digest)
            self.posted.append(told)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    raise ConnectionResetError  # The server was killed while it posted.
                receiver.take(self.path, self.headers.items(), body)
                self.do_OPTIONS()

            def do_OPTIONS(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                del code, size

        return Handler

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    """Counts its open connections.

    Args:
        address: Where to listen.
        handler: What handles a request.
        changed: Notified when a connection has ended.
    """

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        changed: threading.Condition,
    ) -> None:
        super().__init__(address, handler)
        self.open = 0
        self._changed = changed

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection before its thread begins."""
        with self._changed:
            self.open += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection's requests to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self.open -= 1
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a server that was killed in the middle of its request."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
