"""Servers on real sockets: one with scripted faults, and one with keep-alive."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx

Act: TypeAlias = Callable[[socket.socket, bytes], None]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its whole body."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return b""
        head += part
    head, _, body = head.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def send_answer(connection: socket.socket, answer: httpx.Response) -> None:
    body = answer.content
    head = f"HTTP/1.1 {answer.status_code} OK\r\ncontent-length: {len(body)}\r\n"
    connection.sendall((head + "content-type: application/json\r\n\r\n").encode() + body)


def reset(connection: socket.socket) -> None:
    """Close the connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def raw_server(acts: list[Act]) -> Iterator[str]:
    """Serve one request per connection, each with the next act; the last one repeats."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        turn = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            request = read_request(connection)
            if not request:
                continue
            acts[min(turn, len(acts) - 1)](connection, request)
            turn += 1
            if connection.fileno() >= 0:
                connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
        for line in connections:
            line.close()


class Echo(ThreadingHTTPServer):
    """Serves any message, and counts connections and requests."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EchoHandler)
        self.accepted = 0
        self.served = 0
        self.most_open = self._open = 0
        self._changed = threading.Condition()

    def get_request(self) -> Any:
        self.accepted += 1
        with self._changed:
            self._open += 1
            self.most_open = max(self.most_open, self._open)
        return super().get_request()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait_until_open(self, count: int) -> None:
        """Wait until at most so many connections are open."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open <= count, 60), self._open

    def count(self) -> None:
        with self._changed:
            self.served += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _EchoHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        assert isinstance(self.server, Echo)
        self.server.count()
        last = self.path.rpartition("/")[2]
        payload = {"mailboxes": [{"id": "mb_1", "address": "ann@x.test"}]}
        reply = payload if last == "mailboxes" else {"id": last, "markdown": f"Text of {last}"}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@contextmanager
def echo_server() -> Iterator[Echo]:
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
