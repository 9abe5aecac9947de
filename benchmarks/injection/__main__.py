"""Runs the measurement: scripts/bench-injection [--write] [--check] [--own]."""

from __future__ import annotations

import argparse
import logging
import sys

from .report import PAGE, rendered, write
from .results import measured


def main() -> int:
    """Measure, print, and return the exit status."""
    options = _options().parse_args()
    # The server's and the guard's own logs are the business of whoever runs them for real.
    logging.disable(logging.WARNING)
    found = measured(_say, with_suite=not options.own)
    print(rendered(found))
    if options.write:
        write(found)
        _say(f"Written to docs/{PAGE.name}.")
    faults = list(found.faults())
    for fault in faults:
        _say(f"FAULT: {fault}")
    return 1 if options.check and faults else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench-injection", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if an injected message left for an address that only mail supplied",
    )
    parser.add_argument("--own", action="store_true", help="our own attacks only")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
