"""The other packs, as this side sees them: a worker in `.venv-comparators`, asked line by line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .figures import ROOT

PYTHON = ROOT / ".venv-comparators" / "bin" / "python"
RETIRED, AGENTMAIL = "langchain-multimail 0.1.1", "agentmail-toolkit 0.3.2"


class Rival:
    """A pack whose tools run in another process."""

    def __init__(self, worker: subprocess.Popen[str]) -> None:
        self._worker = worker

    def ask(self, order: dict[str, Any]) -> Any:
        """Return the worker's answer to one order."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(f"{json.dumps(order)}\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("The comparators' process ended: its own message stands above.")
        return json.loads(line)

    def call(self, tool: str, **arguments: Any) -> tuple[str, float]:
        """Return what a model reads as a tool's result, and the seconds that the call took."""
        answer = self.ask({"tool": tool, "arguments": arguments})
        return answer["text"], answer["seconds"]

    def schemas(self) -> list[dict[str, Any]]:
        """Return what a model is told of the tools."""
        found: list[dict[str, Any]] = self.ask({"schemas": True})
        return found


@contextmanager
def rival(pack: str, url: str = "http://127.0.0.1:9", key: str = "none") -> Iterator[Rival]:
    """Run a pack of `rival_worker.PACKS` against an API until the block ends.

    Raises:
        RuntimeError: The comparators' environment was not made, or the pack does not start.
    """
    if not PYTHON.exists():
        raise RuntimeError("There is no .venv-comparators: run scripts/bench, which makes it.")
    worker = subprocess.Popen(  # noqa: S603 - the comparators' Python, and a module of our own
        [str(PYTHON), "-m", "benchmarks.costs.rival_worker"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = Rival(worker)
        found.ask({"pack": pack, "url": url, "key": key})
        yield found
    finally:
        worker.kill()
        worker.communicate()
