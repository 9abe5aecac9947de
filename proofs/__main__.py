"""Check the proofs: `scripts/prove`.

Exit status 1 means that a theorem fails for the code as it is, or that a mutant passes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from .kernels import KERNELS, Kernel, Result
from .mutants import MUTANTS, Mutant


def main() -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/prove", description="Check the proofs.")
    parser.add_argument("--show", choices=["lean", "coq"], help="print the file that is checked")
    parser.add_argument("--no-mutants", action="store_true", help="only the theorems")
    options = parser.parse_args()
    if options.show:
        kernel = next(kernel for kernel in KERNELS if kernel.name.lower() == options.show)
        print(kernel.build_text())
        return 0
    return prove(find_kernels(), [] if options.no_mutants else MUTANTS)


def find_kernels() -> list[Kernel]:
    """Return the kernels that run here, and say why another does not."""
    usable = []
    for kernel in KERNELS:
        problem = kernel.find_problem()
        if problem is None:
            usable.append(kernel)
        else:
            print(f"{kernel.name} is not used: {problem}.")
    return usable


def prove(kernels: list[Kernel], mutants: Iterable[Mutant]) -> int:
    """Check the theorems and then the mutants; return 1 if something is not as it must be."""
    if not kernels:
        print("No kernel runs here, so nothing is proved.")
        return 1
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(Kernel.check, kernels))
        status = max(map(print_result, results))
        if status:
            return status
        # The text is made while the change is applied; the kernels run afterwards, side by side.
        jobs = [
            (mutant, kernel, text) for mutant in mutants for kernel, text in build(mutant, kernels)
        ]
        outcomes = pool.map(lambda job: job[1].check_text(job[2]), jobs)
        checked = [(job[0], result) for job, result in zip(jobs, outcomes, strict=True)]
    status = max((print_mutant(*pair) for pair in checked), default=0)
    print(f"{'FAILED' if status else 'Proved'}, in {time.monotonic() - start:.0f} s.")
    return status


def build(mutant: Mutant, kernels: list[Kernel]) -> list[tuple[Kernel, str]]:
    """Return what each kernel has to check while the mutant's change is applied."""
    with mutant.apply():
        return [(kernel, kernel.build_text()) for kernel in kernels]


def print_result(result: Result) -> int:
    """Print the theorems of a kernel with what they assume; return 1 if one fails."""
    if result.failed:
        for name in result.failed:
            print(f"{result.kernel}: FAILED {name}")
        print(result.output[:4000])
        return 1
    for name, axioms in result.axioms.items():
        print(f"{result.kernel}: {name}: {f'ASSUMES {axioms}' if axioms else 'no axioms'}")
    is_whole = len(result.axioms) == len(get_kernel(result.kernel).list_theorems())
    return 0 if is_whole and not any(result.axioms.values()) else 1


def get_kernel(name: str) -> Kernel:
    """Return the kernel of this name."""
    return next(kernel for kernel in KERNELS if kernel.name == name)


def print_mutant(mutant: Mutant, result: Result) -> int:
    """Print what a kernel said of a mutant; return 1 if that is not what it must say."""
    is_right = mutant.theorem in result.failed if mutant.theorem else not result.failed
    said = f"rejected by {', '.join(result.failed)}" if result.failed else "accepted"
    mark = "" if is_right else f" WRONG: expected {mutant.theorem or 'that it is accepted'}"
    print(f"{result.kernel}: mutant “{mutant.description}”: {said}{mark}")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
