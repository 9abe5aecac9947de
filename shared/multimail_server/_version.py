"""The version of the distribution that this server came with."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _installed


@cache
def version() -> str:
    """Return the installed version of multimail; `unknown` when it runs from bare files."""
    try:
        return _installed("multimail")
    except PackageNotFoundError:
        return "unknown"
