"""The command line and the demo. They can import every other package of the project."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; say what to install where its libraries are missing."""
    try:
        from .main import run as run_commands
    except ModuleNotFoundError as error:
        message = f"multimail: The command line needs {error.name}, which is not installed. "
        install = 'Install it: pip install "multimail[server,cli]", or ".[server,cli]" in a clone.'
        sys.exit(message + install)
    run_commands()
