"""`multimail serve` as a process that a test can kill at any moment and start again at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(slots=True)
class ServerProcess:
    """One running server: its process, and its banner (empty before it is ready)."""

    pid: int
    banner: dict[str, Any]

    def kill(self) -> None:
        """End the process by SIGKILL, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class ServerLauncher:
    """Forks servers, one after the other, from a process that has imported them. A context manager.

    Args:
        log: The file that takes the servers' standard error.
    """

    def __init__(self, log: Path) -> None:
        self._log = log.open("wb")
        self._running: ServerProcess | None = None
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    @contextlib.contextmanager
    def serve(self, *options: str) -> Iterator[ServerProcess]:
        """Run `multimail serve` with these options; SIGKILL ends it."""
        server = self.begin("--port", "0", "--smtp-port", "0", *options)
        self.await_banner(server)
        yield server
        server.kill()
        self.await_end()

    def begin(self, *options: str) -> ServerProcess:
        """Start `multimail serve` with these options and return before it is ready."""
        assert self._process.stdin is not None
        print(json.dumps(["serve", "--json", *options]), file=self._process.stdin, flush=True)
        self._running = ServerProcess(self._read_line()["pid"], {})
        return self._running

    def await_banner(self, server: ServerProcess) -> None:
        """Wait until the server takes requests."""
        server.banner = self._read_line()
        assert "url" in server.banner, f"the server did not start: {server.banner}"

    def await_end(self) -> None:
        """Wait until the killed process is gone, and with it its lock on the data file."""
        line = self._read_line()
        if "url" in line:
            line = self._read_line()  # it was killed after a banner that was not read
        self._running = None
        assert line["signal"] == signal.SIGKILL, f"it was not the kill that ended it: {line}"

    def _read_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the launcher has ended; see {self._log.name}"
        facts: dict[str, Any] = json.loads(line)
        return facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.kill()
        self._process.communicate(timeout=60)
        self._log.close()


def _write_line(**facts: Any) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def _serve_each_line() -> None:
    """Fork a `multimail` with the arguments of each line of standard input."""
    import multimail_server.mail.auth.authenticate
    import multimail_server.server  # noqa: F401 - imported once, for all the forks
    from multimail_cli.main import run

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            sys.argv = ["multimail", *json.loads(line)]
            _write_line(pid=os.getpid())
            run()
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        _write_line(ended=pid, signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None)


if __name__ == "__main__":
    _serve_each_line()
