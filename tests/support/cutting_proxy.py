"""A TCP proxy that cuts one connection at a command: before, after or within its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Moment = Literal["before", "after", "within"]
_COMMIT = b"COMMIT\0"


class CuttingProxy:
    """Passes bytes on; once armed, it cuts the connection whose command comes next.

    Args:
        port: Of the real server, on loopback.
        piece: How many bytes of an answer are passed on at a time.
    Attributes:
        port: Where to connect instead.
        cut: Set when a connection was cut.
        on_cut: Called at the cut, before the server hears of the command.
    """

    def __init__(self, port: int, piece: int = 65536) -> None:
        self._to, self._piece = port, piece
        self._moment: Moment | None = None
        self._command = _COMMIT
        self.on_cut: Callable[[], None] = lambda: None
        self.cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._half_of: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, moment: Moment, command: bytes = _COMMIT) -> None:
        """Cut the next command: before the server hears of it, after it has carried it out, or
        after the first half of its answer.
        """
        self.cut.clear()
        self._moment, self._command = moment, command

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._command in data and self._moment is not None:
                    self._cut(client, server, data)
                    if self.cut.is_set():
                        return
                    continue
                server.sendall(data)
            server.close()

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        moment, self._moment = self._moment, None
        if moment == "within":
            self._half_of.add(server)
            server.sendall(data)
            return
        client.shutdown(socket.SHUT_RDWR)  # from here on the client hears nothing
        self.on_cut()
        if moment == "after":
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        else:
            server.shutdown(socket.SHUT_RDWR)
        self.cut.set()

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(self._piece):
                if server in self._half_of:
                    self.cut.set()
                    client.sendall(data[: len(data) // 2])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for connection in (self._listener, *self._open):
            connection.close()
