"""A TCP proxy before PostgreSQL that cuts one connection at a commit, before or after it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Moment = Literal["before", "after"]
_COMMIT = b"COMMIT\0"


class CuttingProxy:
    """Passes bytes on; once armed, it cuts the connection whose commit comes next.

    Args:
        port: Of the real server, on loopback.
    Attributes:
        port: Where to connect instead.
        cut: Set when a connection was cut.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._moment: Moment | None = None
        self.cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, moment: Moment) -> None:
        """Cut the next commit before the server hears of it, or after it has carried it out."""
        self._moment = moment

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if _COMMIT in data and self._moment is not None:
                    self._cut(client, server, data)
                    return
                server.sendall(data)
            server.close()

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        moment, self._moment = self._moment, None
        client.shutdown(socket.SHUT_RDWR)  # from here on the client hears nothing
        if moment == "after":
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        else:
            server.shutdown(socket.SHUT_RDWR)
        self.cut.set()

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


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
