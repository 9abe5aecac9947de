"""Throw-away environments for tests of what a stranger installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """A virtual environment of its own, which has never seen this checkout.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=_uv() is None)
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")

    def install(self, *what: str) -> None:
        """Install distributions by requirement, from the package index or a file."""
        uv = _uv()
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
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**kept, **variables}, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _uv() -> str | None:
    beside = Path(sys.executable).parent
    return shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
