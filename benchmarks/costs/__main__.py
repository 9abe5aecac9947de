"""Measures what users pay for, beside what they would use instead: see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

from . import metrics, report, timing
from .comparator import AGENTMAIL, RETIRED
from .metrics import FULL, QUICK, ROOT, Part

PARTS = {
    "calls": "calls.measure_calls",
    "concurrent": "calls.measure_concurrent",
    "imports": "startup.measure_imports",
    "schemas": "schemas.measure_schemas",
    "prompts": "prompts.measure_prompts",
    "job": "scenario.measure_scenario",
    "labels": "labels.measure_labels",
    "server": "server.measure_server",
    "demo": "startup.measure_demo",
}
"""The parts in the order of the table, each with the function that measures it."""


def main() -> int:
    """Measure, print, write, and return the exit status."""
    options = _options().parse_args()
    names: list[str] = options.only or list(PARTS)
    failed = [] if options.table else [name for name in names if not _measure(name, options)]
    if options.one:
        return int(bool(failed))
    measured = metrics.load(PARTS if options.table or not options.quick else names,
                            quick=options.quick)  # fmt: skip
    if not measured:
        _log(".benchmarks has no results to make a table of: run scripts/bench first.")
        return 2
    print(report.render(measured))
    if not options.quick:
        report.write(measured)
        _log(f"Written to docs/{report.PAGE.name}.")
    misses = report.list_missed(measured)
    for line in misses:
        _log(f"MISSED {line}")
    for name in failed:
        _log(f"FAILED {name}: see its message above.")
    return 1 if failed or (options.check and misses) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; repeatable")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, for a trial; writes nothing"
    )
    parser.add_argument("--table", action="store_true", help="only write the table again")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


def _measure(name: str, options: argparse.Namespace) -> bool:
    """Measure a part in a new process, or in this one if it is that process; store the results."""
    if not options.one:
        _log(f"== {name}")
        command = [sys.executable, "-m", __package__, "--one", "--only", name]
        command += ["--quick"] * options.quick
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603
    if timing.is_busy():
        _log(
            "This machine is busy: ratios hold, but every figure is worse than on an idle machine."
        )
    timing.keep_bytecode(metrics.FOLDER / "bytecode")
    module, _, function = PARTS[name].partition(".")
    measure = getattr(importlib.import_module(f".{module}", __package__), function)
    part: Part = measure(QUICK if options.quick else FULL)
    comparators = {"comparators": f"{RETIRED}, {AGENTMAIL}"}
    metrics.save(part, timing.describe_machine() | comparators, quick=options.quick)
    return True


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
