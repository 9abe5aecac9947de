"""The version of the installed distribution."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Return the installed version of multimail; `unknown` if it isn't installed."""
    # Imported late: it loads zipfile and csv, which the start doesn't need.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as get_version

    try:
        return get_version("multimail")
    except PackageNotFoundError:
        return "unknown"
