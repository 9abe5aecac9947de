"""The demo, warm: the first thing that a new user runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from .figures import ROOT, Figure, Part
from .sizes import Sizes

_NOTE = "The environment stands, and the demo has run once before."


def measure(sizes: Sizes) -> Part:
    """Measure `scripts/demo --decision approve` once it has run before."""
    _seconds()
    seconds = statistics.median(_seconds() for _ in range(min(3, sizes.rounds)))
    return Part(
        "demo",
        "The demo",
        [Figure("`scripts/demo --decision approve`, warm", seconds, "s", target=15.0)],
        note=_NOTE,
    )


def _seconds() -> float:
    command = [
        sys.executable,
        "-c",
        "from multimail_cli.main import run; run()",
        *("demo", "--decision", "approve"),
    ]
    before = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - this Python, and arguments of our own
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - before
    if done.returncode:
        raise RuntimeError(f"The demo failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return seconds
