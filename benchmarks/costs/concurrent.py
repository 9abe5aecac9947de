"""A thousand reads at once on one asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from multimail import AsyncMultiMail
from multimail._client import DEFAULT_LIMITS

from .figures import Figure, Part
from .ground import Ground, served
from .mails import DOMAIN, Mail, prose
from .sizes import Sizes
from .turns import async_medians

_TIMEOUT = httpx.Timeout(300.0)
_AT_LEAST = 0.85
_AS_WRITTEN = "httpx.AsyncClient, with the same limits"
_GATED = "the same behind a semaphore of 100"
_NOTE = (
    "All clients have the same pool (100 connections, 20 kept) and the same server, which answers"
    " from one process. What parts them is httpcore 1.0.9, httpx's pool: whenever a request comes"
    " or goes it looks at every connection for every request that waits, and a free connection is"
    " given to all of them, of which one gets it (encode/httpcore#1035). Where a connection is"
    " there already, 1,000 reads make some 6,000 such passes and 4,000 vain tries, 2 to 3 ms of"
    " the processor for each read. Where none is, 1,000 connections are opened and 980 closed,"
    " since the limit on idle ones counts those in use too, and a read takes 24 ms. Which of the"
    " two happens hangs on whether the last request is five seconds ago, so both are measured."
    " This package's client lets no more requests to the pool than it has connections; the row"
    " with a semaphore is a caller who does the same."
)


def measure(sizes: Sizes) -> Part:
    """Measure `sizes.reads` concurrent reads of one message of 1 KB."""
    mail = Mail(0, f"desk@{DOMAIN}", "One kilobyte", prose(1000))
    with served([mail]) as ground:
        warm, cold = asyncio.run(_measured(ground, sizes))
    what = f"{sizes.reads:,} concurrent `read_email` on one AsyncMultiMail"
    per_second = {name: sizes.reads / seconds for name, seconds in (warm | cold).items()}
    return Part(
        "concurrent",
        "Many reads at once",
        [
            _figure(what, per_second["ours"], _AS_WRITTEN, per_second["bare"]),
            _figure(what, per_second["ours"], _GATED, per_second["gated"]),
            _figure(
                f"{what}, no connection yet",
                *(per_second["ours, cold"], _AS_WRITTEN, per_second["bare, cold"]),
            ),
        ],
        note=_NOTE,
    )


def _figure(what: str, ours: float, against: str, theirs: float) -> Figure:
    return Figure(what, ours, "/s", against, theirs, target=_AT_LEAST, at_least=True)


async def _measured(ground: Ground, sizes: Sizes) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds of each contestant with a connection in its pool, and with none."""
    async with _ours(ground) as mail, _bare(ground) as bare, _bare(ground) as gated:
        email_id = (await mail.check_inbox(limit=1)).items[0].id
        path = f"/v1/mailboxes/{ground.mailbox}/emails/{email_id}"
        turns = asyncio.Semaphore(DEFAULT_LIMITS.max_connections or 1)

        async def in_turn() -> Any:
            async with turns:
                return await _read(gated, path)

        warm = await async_medians(
            {
                "ours": lambda: _warm(lambda: mail.read_email(email_id), sizes.reads),
                "bare": lambda: _warm(lambda: _read(bare, path), sizes.reads),
                "gated": lambda: _warm(in_turn, sizes.reads),
            },
            sizes.rounds,
        )

    async def ours_cold() -> None:
        async with _ours(ground) as fresh:
            await _many(lambda: fresh.read_email(email_id), sizes.reads)

    async def bare_cold() -> None:
        async with _bare(ground) as fresh:
            await _many(lambda: _read(fresh, path), sizes.reads)

    return warm, await async_medians({"ours, cold": ours_cold, "bare, cold": bare_cold}, 1)


def _ours(ground: Ground) -> AsyncMultiMail:
    return AsyncMultiMail(**ground.options(), timeout=_TIMEOUT)


def _bare(ground: Ground) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {ground.key}"}
    return httpx.AsyncClient(
        base_url=ground.url, headers=headers, timeout=_TIMEOUT, limits=DEFAULT_LIMITS
    )


async def _read(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


async def _warm(work: Callable[[], Awaitable[Any]], count: int) -> None:
    """Read once, so that there is a connection whatever was before, and then at once."""
    await work()
    await _many(work, count)


async def _many(work: Callable[[], Awaitable[Any]], count: int) -> None:
    await asyncio.gather(*(work() for _ in range(count)))
