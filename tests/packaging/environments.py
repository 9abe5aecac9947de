"""Temporary virtual environments for tests of the installed package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """A new virtual environment, without this checkout.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=_find_uv() is None)
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")

    def install(self, *what: str) -> None:
        """Install distributions by requirement, from the package index or a file."""
        uv = _find_uv()
        if uv is None:
            run(self.python, "-m", "pip", "install", "--quiet", *what)
        else:
            run(uv, "pip", "install", "--quiet", "--python", self.python, *what)

    def execute(self, code: str, *arguments: str, **variables: str) -> str:
        """Run code in it and return what it printed."""
        return run(self.python, "-c", code, *arguments, **variables)


def run(*command: str, **variables: str) -> str:
    """Run a command away from this checkout and return what it printed; fail with its output."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**kept, **variables}, cwd="/"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent
    return shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
