"""Timing by rounds, and the machine on which it happens.

The contestants run one after the other in each round, so that load on the machine affects all of
them. Results are medians, and ratios are ratios of medians.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from pathlib import Path

Seconds = Callable[[], float]
"""Does the work once and returns the seconds that it took."""


def timed(work: Callable[[], object]) -> Seconds:
    """Return a contestant that measures the time of `work` in this process."""

    def seconds() -> float:
        before = time.perf_counter()
        work()
        return time.perf_counter() - before

    return seconds


def medians(contestants: Mapping[str, Seconds], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contestant, after a first round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-1, rounds):
        for name in _order(list(contestants), number):
            seconds = contestants[name]()
            if number >= 0:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


async def async_medians(
    contestants: Mapping[str, Callable[[], Awaitable[object]]], rounds: int
) -> dict[str, float]:
    """Return the same for coroutines in the running loop."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-1, rounds):
        for name in _order(list(contestants), number):
            before = time.perf_counter()
            await contestants[name]()
            if number >= 0:
                times[name].append(time.perf_counter() - before)
    return {name: statistics.median(values) for name, values in times.items()}


def _order(names: list[str], number: int) -> list[str]:
    """Alternate the order: the contestant that runs second may find warm caches."""
    return names if number % 2 == 0 else names[::-1]


_PACKAGES = (
    *("multimail", "httpx", "pydantic", "langchain", "langchain-core", "crewai", "smolagents"),
    *("agno", "requests", "starlette", "uvicorn", "aiosmtpd", "dkimpy"),
)


def keep_bytecode(folder: Path) -> None:
    """Let measured processes cache their bytecode, as in normal use.

    Args:
        folder: Where to cache it; the installation itself may have no cache.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def describe_machine() -> dict[str, str]:
    """Return the cores, memory and system of the machine, and the versions of the packages.

    It has neither the machine's name nor a path.
    """
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
    """Return whether other processes keep the machine busy, if the system reports it."""
    try:
        load = float(Path("/proc/loadavg").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return False
    return load > (os.cpu_count() or 1) / 2
