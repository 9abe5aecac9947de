"""Runs the measurement: scripts/bench-injection [--write] [--check] [--own | --tools]."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator

from . import measure, report


def main() -> int:
    """Measure, print, and return the exit status."""
    options = _options().parse_args()
    # The logs of the server and the guard would hide the progress.
    logging.disable(logging.WARNING)
    faults: list[str] = []
    if not options.tools:
        faults += _measure_mail(options)
    if not options.own:
        faults += _measure_tools(options)
    for fault in faults:
        _log(f"FAULT: {fault}")
    return 1 if options.check and faults else 0


def _measure_mail(options: argparse.Namespace) -> Iterator[str]:
    """Measure our own tools on mail."""
    results = measure.measure(_log, with_suite=not options.own)
    print(report.render(results))
    if options.write:
        report.write(results)
        _log(f"Written to docs/{report.PAGE.name}.")
    return results.faults()


def _measure_tools(options: argparse.Namespace) -> Iterator[str]:
    """Measure an agent all of whose tools are guarded."""
    from benchmarks.agentdojo import guarding, workspace
    from benchmarks.agentdojo import measure as tools
    from benchmarks.agentdojo import report as tools_report

    with guarding.open_guards() as guards:
        results = tools.measure(workspace.Workspace(), guards, _log)
    print(tools_report.render(results))
    if options.write:
        tools_report.write(results)
        _log(f"Written to docs/{report.PAGE.name}.")
    return results.faults()


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench-injection", description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="write the tables into docs/injection.md"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if an injected message or call left that only text of others supplied",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--own", action="store_true", help="only our own attacks on mail")
    which.add_argument("--tools", action="store_true", help="only an agent's other tools")
    return parser


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
