"""Runs one agent in a process of its own and prints every address that the process asked for.

python -m tests.frameworks.one_run FRAMEWORK MODEL_URL API_URL API_KEY
"""

from __future__ import annotations

import atexit
import json
import sys
from types import SimpleNamespace
from typing import Any

addresses: set[str] = set()
REPORT = "asked for: "


def record(event: str, arguments: tuple[Any, ...]) -> None:
    """Write down who is looked up and who is connected to."""
    if event == "socket.connect":
        address = arguments[1]
        addresses.add(str(address[0]) if isinstance(address, tuple) else f"unix:{address!r}")
    elif event == "socket.sendto":
        addresses.add(str(arguments[1][0]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        addresses.add(
            arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        )


def report() -> None:
    """Print what was written down."""
    sys.stdout.write("\n" + REPORT + json.dumps(sorted(addresses)) + "\n")


if __name__ == "__main__":
    # Before any framework is imported, since some call home at import; and to be reported after
    # all that they do at the end.
    sys.addaudithook(record)
    atexit.register(report)
    from tests.frameworks.agents import RUNS

    framework, model_url, api_url, api_key = sys.argv[1:]
    served: Any = SimpleNamespace(base_url=model_url)
    RUNS[framework](served, {"api_key": api_key, "base_url": api_url})
