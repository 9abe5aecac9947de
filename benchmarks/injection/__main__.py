"""Runs the measurement: scripts/bench-injection [--write] [--check] [--own]."""

from __future__ import annotations

import argparse
import logging
import sys

from .measure import measure
from .report import PAGE, render, write


def main() -> int:
    """Measure, print, and return the exit status."""
    options = _options().parse_args()
    # The logs of the server and the guard would hide the progress.
    logging.disable(logging.WARNING)
    results = measure(_log, with_suite=not options.own)
    print(render(results))
    if options.write:
        write(results)
        _log(f"Written to docs/{PAGE.name}.")
    faults = list(results.faults())
    for fault in faults:
        _log(f"FAULT: {fault}")
    return 1 if options.check and faults else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench-injection", description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="write the tables into docs/injection.md"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if an injected message left for an address that only mail supplied",
    )
    parser.add_argument("--own", action="store_true", help="only our own attacks")
    return parser


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
