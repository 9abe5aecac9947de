"""The comparators: other packages, run by a worker process in `.venv-comparators`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .metrics import ROOT

PYTHON = ROOT / ".venv-comparators" / "bin" / "python"
RETIRED, AGENTMAIL = "langchain-multimail 0.1.1", "agentmail-toolkit 0.3.2"


class ComparatorProcess:
    """A package whose tools run in another process."""

    def __init__(self, worker: subprocess.Popen[str]) -> None:
        self._worker = worker

    def request(self, command: dict[str, Any]) -> Any:
        """Return the worker's response to a command; see `comparator_worker`."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(f"{json.dumps(command)}\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("The comparator's process ended: see its message above.")
        return json.loads(line)

    def call(self, tool: str, **arguments: Any) -> tuple[str, float]:
        """Return the text of a tool's result for a model, and the seconds that the call took."""
        response = self.request({"tool": tool, "arguments": arguments})
        return response["text"], response["seconds"]

    def schemas(self) -> list[dict[str, Any]]:
        """Return the schemas of the tools as a model gets them."""
        schemas: list[dict[str, Any]] = self.request({"schemas": True})
        return schemas


@contextmanager
def start_comparator(
    package: str, url: str = "http://127.0.0.1:9", key: str = "none"
) -> Iterator[ComparatorProcess]:
    """Run a package of `comparator_worker.PACKAGES` against an API until the block ends.

    Raises:
        RuntimeError: There is no environment of the comparators, or the package fails to start.
    """
    if not PYTHON.exists():
        raise RuntimeError("There is no .venv-comparators: run scripts/bench, which creates it.")
    worker = subprocess.Popen(  # noqa: S603 - the comparators' Python and our own module
        [str(PYTHON), "-m", "benchmarks.costs.comparator_worker"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        comparator = ComparatorProcess(worker)
        comparator.request({"pack": package, "url": url, "key": key})
        yield comparator
    finally:
        worker.kill()
        worker.communicate()
