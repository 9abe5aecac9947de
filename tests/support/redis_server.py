"""A Redis server for tests: a process of its own, on loopback, in a folder of its own."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest

_TRIES = 5


class RedisServer:
    """One `redis-server`, which persists its data; a context manager that ends it.

    Args:
        folder: Where its data stands; a server that is started there again finds it.
        options: More of its configuration, such as `"--maxmemory", "10mb"`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._binary = shutil.which("redis-server") or shutil.which("valkey-server")
        if self._binary is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        pytest.importorskip("redis", reason="it is in the extra `redis`")
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, on the port that it had; return when it answers."""
        for _ in range(_TRIES):
            port = self.port or _free_port()
            self._process = self._run(port)
            assert self._process.stdout is not None
            if any("Ready to accept connections" in line for line in self._process.stdout):
                self.port = port
                return
            self._process.wait()  # it ended: another process took the port
        raise RuntimeError("redis-server does not start.")

    def _run(self, port: int) -> subprocess.Popen[str]:
        assert self._binary is not None
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "requirepass": self.password,
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        settings = [text for name, value in options.items() for text in (f"--{name}", value)]
        return subprocess.Popen(
            [self._binary, *settings, *self._options], stdout=subprocess.PIPE, text=True
        )

    def stop(self) -> None:
        """End it as a power failure does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
