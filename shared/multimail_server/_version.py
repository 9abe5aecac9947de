"""The version of the distribution that this server came with."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Return the installed version of multimail; `unknown` when it runs from bare files."""
    # Imported with the first question: it reads zip files and CSV, which a start does not need.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("multimail")
    except PackageNotFoundError:
        return "unknown"
