"""Progress: a call that waits says now and then that it still does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

Report: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends `notifications/progress`: how far, of how much, and a word on it."""

EVERY = 5.0
"""Seconds between two reports, well under the usual limits of clients and proxies."""

T = TypeVar("T")


async def while_waiting(work: Awaitable[T], report: Report, seconds: float) -> T:
    """Report at once, then every few seconds, until the work is done or cancelled.

    Args:
        work: What takes long.
        report: Where to.
        seconds: How long it can take at the most.
    """
    telling = asyncio.create_task(_keep_telling(report, seconds))
    try:
        return await work
    finally:
        telling.cancel()
        # A client that cannot be told any more is no reason to lose what came.
        await asyncio.gather(telling, return_exceptions=True)


async def _keep_telling(report: Report, seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    start = clock()
    while True:
        waited = clock() - start
        await report(waited, seconds, f"Waiting for mail: {waited:.0f} of {seconds:.0f} s.")
        await asyncio.sleep(EVERY)
