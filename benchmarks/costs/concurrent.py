"""A thousand reads at once on one asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from multimail import AsyncMultiMail
from multimail.client import DEFAULT_LIMITS

from .figures import Figure, Part
from .ground import Ground, served
from .mails import DOMAIN, Mail, prose
from .sizes import Sizes
from .turns import async_medians

_NOTE = (
    "Both clients have the same pool (100 connections, 20 kept) and the same server, which"
    " answers from one process and takes most of the time."
)


def measure(sizes: Sizes) -> Part:
    """Measure `sizes.reads` concurrent reads of one message of 1 KB."""
    mail = Mail(0, f"desk@{DOMAIN}", "One kilobyte", prose(1000))
    with served([mail]) as ground:
        found = asyncio.run(_measured(ground, sizes))
    return Part(
        "concurrent",
        "Many reads at once",
        [
            Figure(
                f"{sizes.reads:,} concurrent `read_email` on one AsyncMultiMail",
                sizes.reads / found["ours"],
                "/s",
                "httpx.AsyncClient, with the same limits",
                sizes.reads / found["bare"],
                target=0.85,
                at_least=True,
            )
        ],
        note=_NOTE,
    )


async def _measured(ground: Ground, sizes: Sizes) -> dict[str, float]:
    options = ground.options()
    headers = {"Authorization": f"Bearer {ground.key}"}
    timeout = httpx.Timeout(120.0)
    async with (
        AsyncMultiMail(**options, timeout=timeout) as mail,
        httpx.AsyncClient(
            base_url=ground.url, headers=headers, timeout=timeout, limits=DEFAULT_LIMITS
        ) as bare,
    ):
        newest = await mail.check_inbox(limit=1)
        email_id = newest.items[0].id
        path = f"/v1/mailboxes/{ground.mailbox}/emails/{email_id}"

        async def asked() -> Any:
            return (await bare.get(path)).raise_for_status().json()

        return await async_medians(
            {
                "ours": lambda: _many(lambda: mail.read_email(email_id), sizes.reads),
                "bare": lambda: _many(asked, sizes.reads),
            },
            sizes.rounds,
        )


async def _many(work: Callable[[], Awaitable[Any]], count: int) -> None:
    await asyncio.gather(*(work() for _ in range(count)))
