"""Files that tests download: test data of other projects, which isn't kept in this repository."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest


def get_download_directory(
    config: pytest.Config, temporary: pytest.TempPathFactory, name: str
) -> Path:
    """Return a directory in pytest's cache, or a temporary one where that plugin is disabled.

    Args:
        config: The run's configuration.
        temporary: Makes a directory that isn't kept.
        name: The directory's name.
    """
    if config.pluginmanager.has_plugin("cacheprovider"):
        return config.cache.mkdir(name)  # type: ignore[union-attr]
    return temporary.mktemp(name)


@cache
def _get_archive(requirement: str, directory: Path) -> Path | str:
    """Return the path of a source distribution, downloaded if needed, or pip's error."""
    pattern = f"{requirement.replace('==', '-')}.tar.gz"
    if archive := next(directory.glob(pattern), None):
        return archive
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"),
        *("--no-deps", "--no-binary", ":all:", "--retries", "1", "--timeout", "10"),
        *("-d", str(directory), requirement),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    errors = result.stderr.strip().splitlines() or ["pip gave no reason"]
    return next(directory.glob(pattern), errors[-1])


def read_from_sdist(requirement: str, suffix: str, directory: Path) -> bytes:
    """Return a file of a source distribution; fail the test if it can't be downloaded.

    Args:
        requirement: A package and its version, `name==1.2.3`.
        suffix: The end of the file's path.
        directory: Where downloads are kept.
    """
    archive = _get_archive(requirement, directory)
    if isinstance(archive, str):
        pytest.fail(f"The source of {requirement} could not be downloaded: {archive}")
    with tarfile.open(archive) as opened:
        member = next(name for name in opened.getnames() if name.endswith(suffix))
        content = opened.extractfile(member)
        assert content is not None
        return content.read()
