"""A seeded mutation run: plants mistakes in critical code and says which of them no test notices.

It works on a copy of the project. Exit codes: 0, 1 where fewer mistakes than the floor were
noticed, 2 where the tests fail without a mistake.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant, build_mutants
from tests.mutation.targets import ROOT, find_targets

_COPIED = ("shared", "integrations", "tests", "examples", "docs", "pyproject.toml")
_TIMEOUT = 600
"""Seconds for the tests of one mutant: one that hangs is noticed too."""


class Workspace:
    """A copy of the project in which mutants are tested."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        packages = [folder / "shared", *sorted((folder / "integrations").iterdir())]
        search = os.pathsep.join(map(str, packages))
        self._environment = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}

    def passes(self, tests: Sequence[str]) -> bool:
        """Return whether these tests pass on the copy as it is."""
        options = ("-x", "-q", "-p", "no:cacheprovider", "--no-header")
        try:
            result = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *tests],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0

    def survives(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Return whether the tests pass although this mistake is there."""
        path = self._folder / mutant.path
        original = path.read_text("utf-8")
        path.write_text(mutant.apply(original), "utf-8")
        try:
            return self.passes(tests)
        finally:
            path.write_text(original, "utf-8")


def draw_mutants(files: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants, the same for the same seed, spread over the files."""
    dice = random.Random(seed)
    queues = []
    for name in files:
        mutants = build_mutants(name, (ROOT / name).read_text("utf-8"))
        dice.shuffle(mutants)
        queues.append(mutants)
    dice.shuffle(queues)
    drawn: list[Mutant] = []
    while len(drawn) < count and any(queues):
        drawn += [queue.pop() for queue in queues if queue]
    return sorted(drawn[:count], key=lambda mutant: (mutant.path, mutant.line))


def run(targets: Mapping[str, Sequence[str]], count: int, seed: int, floor: float) -> int:
    """Test the mutants, print the survivors, and return the exit code."""
    drawn = draw_mutants(list(targets), count, seed)
    survivors: list[Mutant] = []
    checked: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="multimail-mutation-") as folder:
        workspace = Workspace(Path(folder))
        for number, mutant in enumerate(drawn, start=1):
            tests = targets[mutant.path]
            if mutant.path not in checked and not workspace.passes(tests):
                print(f"The tests of {mutant.path} fail without a mistake: {' '.join(tests)}")
                return 2
            checked.add(mutant.path)
            survived = workspace.survives(mutant, tests)
            outcome = "SURVIVED" if survived else "noticed"
            print(f"[{number}/{len(drawn)}] {outcome} {mutant}", flush=True)
            survivors += [mutant] if survived else []
    share = 1 - len(survivors) / len(drawn) if drawn else 1.0
    print(f"\nSeed {seed}: {len(drawn) - len(survivors)} of {len(drawn)} noticed ({share:.0%}).")
    for mutant in survivors:
        print(f"  {mutant}")
    return 0 if share >= floor else 1


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--count", type=int, default=40, help="how many mistakes (40)")
    parser.add_argument(
        "--files", nargs="*", default=["*"], help="patterns of source files (all targets)"
    )
    parser.add_argument("--floor", type=float, default=0.85, help="the least share noticed (0.85)")
    options = parser.parse_args()
    targets = {
        name: tests
        for name, tests in find_targets().items()
        if any(fnmatch.fnmatch(name, pattern) for pattern in options.files)
    }
    if not targets:
        parser.error(f"no target matches {' '.join(options.files)}")
    return run(targets, options.count, options.seed, options.floor)


if __name__ == "__main__":
    sys.exit(main())
