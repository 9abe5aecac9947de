"""`multimail serve` as a process that a test may kill at any moment, and start again at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(slots=True)
class Served:
    """One running server: its process, and what its banner said (empty before the banner)."""

    pid: int
    banner: dict[str, Any]

    def kill(self) -> None:
        """End the process by SIGKILL; one that is dead already stays dead."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """Forks servers from a process that has imported them, so that a start costs no imports.

    Args:
        log: The file that takes the servers' standard error.
    """

    def __init__(self, log: Path) -> None:
        self._log = log.open("wb")
        self._running: Served | None = None
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def begin(self, *options: str) -> Served:
        """Start `multimail serve` with these options and return before it is ready."""
        assert self._process.stdin is not None
        print(json.dumps(["serve", "--json", *options]), file=self._process.stdin, flush=True)
        self._running = Served(self._line()["pid"], {})
        return self._running

    def await_banner(self, served: Served) -> None:
        """Wait until the server takes requests."""
        served.banner = self._line()
        assert "url" in served.banner, f"the server did not start: {served.banner}"

    def await_end(self) -> None:
        """Wait until the process that was killed is gone, and with it its lock on the file."""
        line = self._line()
        if "url" in line:
            line = self._line()  # it was killed after its banner, which nobody has read
        self._running = None
        assert line["signal"] == signal.SIGKILL, f"it was not the kill that ended it: {line}"

    def close(self) -> None:
        """End the nursery, and the server that still runs."""
        if self._running is not None:
            self._running.kill()
        self._process.communicate(timeout=30)
        self._log.close()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the nursery has ended; see {self._log.name}"
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def _tell(**facts: Any) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def _serve_each_line() -> None:
    """Fork a `multimail` with the arguments of each line, and say when it has begun and ended."""
    import multimail_server.mail.auth.authenticate
    import multimail_server.server  # noqa: F401 - imported once, for all the forks
    from multimail_cli.main import run

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            sys.argv = ["multimail", *json.loads(line)]
            _tell(pid=os.getpid())
            run()
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        _tell(ended=pid, signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None)


if __name__ == "__main__":
    _serve_each_line()
