"""Measures what users pay for, beside what they would use instead: see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

from . import figures, machine, report, rival
from .figures import ROOT, Part
from .sizes import FULL, QUICK

PARTS = {
    "calls": "calls",
    "concurrent": "concurrent",
    "imports": "imports",
    "schemas": "schemas",
    "job": "job",
    "labels": "labels",
    "server": "serving",
    "demo": "demo",
}
"""The parts, in the table's order, each with its module."""


def main() -> int:
    """Measure, print, write, and return the exit status."""
    options = _options().parse_args()
    names: list[str] = options.only or list(PARTS)
    failed = [] if options.table else [one for one in names if not _measure(one, options)]
    if options.one:
        return int(bool(failed))
    measured = figures.load(PARTS if options.table or not options.quick else names,
                            quick=options.quick)  # fmt: skip
    if not measured:
        _say("There is nothing in .benchmarks to make a table of: run scripts/bench first.")
        return 2
    print(report.rendered(measured))
    if not options.quick:
        report.write(measured)
        _say(f"Written to docs/{report.PAGE.name}.")
    misses = report.missed(measured)
    for line in misses:
        _say(f"MISSED {line}")
    for name in failed:
        _say(f"FAILED {name}: its own message stands above.")
    return 1 if failed or (options.check and misses) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; repeatable")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to try it; writes nothing"
    )
    parser.add_argument("--table", action="store_true", help="only make the table again")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


def _measure(name: str, options: argparse.Namespace) -> bool:
    """Measure a part and keep its results; in a process of its own, unless this is that."""
    if not options.one:
        _say(f"== {name}")
        command = [sys.executable, "-m", __package__, "--one", "--only", name]
        command += ["--quick"] * options.quick
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603
    if machine.is_busy():
        _say("This machine is busy: ratios hold, but every figure is worse than it could be.")
    machine.keep_bytecode(figures.FOLDER / "bytecode")
    module = importlib.import_module(f".{PARTS[name]}", __package__)
    found: Part = module.measure(QUICK if options.quick else FULL)
    others = {"comparators": f"{rival.RETIRED}, {rival.AGENTMAIL}"}
    figures.save(found, machine.about() | others, quick=options.quick)
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
