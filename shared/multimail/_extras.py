"""What a missing extra is called, and how it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Name the extra, and the command that installs it, where an import in the block fails.

    Args:
        extra: The extra of this distribution.

    Raises:
        ModuleNotFoundError: A module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed. Install it with multimail's extra: "
            f'pip install "multimail[{extra}]", or ".[{extra}]" in a clone.',
            name=error.name,
        ) from None
