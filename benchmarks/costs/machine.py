"""What the figures are of: the machine and the versions. Never its name, never a path."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    *("multimail", "httpx", "pydantic", "langchain", "langchain-core", "crewai", "smolagents"),
    *("agno", "requests", "starlette", "uvicorn", "aiosmtpd", "dkimpy"),
)


def keep_bytecode(folder: Path) -> None:
    """Let the processes that are measured keep their bytecode, as those of users do.

    Args:
        folder: Where it is kept, apart from that of the installation, which may have none.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def about() -> dict[str, str]:
    """Return the machine's cores, memory and system, and the versions of what was measured."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {_memory()} of memory",
        "system": _system(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions,
    }


def _memory() -> str:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return "unknown size"
    return f"{pages * size / 2**30:.0f} GB"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.system()} {platform.release().split('-')[0]}"


def is_busy() -> bool:
    """Return whether others keep the machine busy, where the system tells."""
    try:
        load = float(Path("/proc/loadavg").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return False
    return load > (os.cpu_count() or 1) / 2
