"""A tool call: through the core, and through each framework's own object."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from multimail.tools import ToolSession
from multimail.tools.catalogue import CHECK_INBOX, READ_EMAIL

from . import handwritten, natives
from .figures import Figure, Part
from .ground import Ground, served
from .mails import DOMAIN, Mail, prose
from .rival import RETIRED, rival
from .sizes import Sizes
from .turns import Seconds, async_medians, medians, timed

_TOOLS = {"check_inbox": CHECK_INBOX, "read_email": READ_EMAIL}
_CORE, _NEVER_SLOWER = 1.15, 1.0

_NOTE = (
    "The API is this package's own server on loopback: the shortest way that a request can"
    " have. Over a network the request takes more and the tool's share is less. The hand-"
    "written tool is `requests.get` in a decorated function, as the recipes for REST APIs"
    " have it; each call is made as the framework's agent makes it."
)


def measure(sizes: Sizes) -> Part:
    """Measure calls of `check_inbox` (20 rows) and `read_email` (10 KB)."""
    mails = [Mail(n, f"desk{n}@{DOMAIN}", f"Report {n}", prose(1200, n)) for n in range(19)]
    mails.append(Mail(19, f"desk19@{DOMAIN}", "Ten kilobytes", prose(10_000)))
    figures: list[Figure] = []
    with served(mails) as ground, httpx.Client(base_url=ground.url) as client:
        given = _arguments(ground, client)
        figures += _core(ground, given, sizes)
        figures += asyncio.run(_core_async(ground, given, sizes))
        for framework in natives.FRAMEWORKS:
            figures += _native(framework, ground, given, sizes)
            figures += asyncio.run(_native_async(framework, ground, given, sizes))
        figures += _retired(ground, given, sizes)
    return Part(
        "calls",
        "A tool call",
        figures,
        note=_NOTE,
    )


def _arguments(ground: Ground, client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Return each tool's arguments: the newest message is the one to read."""
    rows = client.get(_path(ground), headers=_headers(ground), params={"limit": 1}).json()
    return {"check_inbox": {"limit": 20}, "read_email": {"email_id": rows["emails"][0]["id"]}}


def _path(ground: Ground, email_id: str = "") -> str:
    return f"/v1/mailboxes/{ground.mailbox}/emails" + (f"/{email_id}" if email_id else "")


def _headers(ground: Ground) -> dict[str, str]:
    return {"Authorization": f"Bearer {ground.key}"}


def _request(ground: Ground, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the path and the query of the request that a tool makes."""
    email_id = arguments.get("email_id")
    return (_path(ground, email_id), {}) if email_id else (_path(ground), dict(arguments))


def _core(ground: Ground, given: Mapping[str, Any], sizes: Sizes) -> list[Figure]:
    figures = []
    session = ToolSession(**ground.options())
    with httpx.Client(base_url=ground.url, headers=_headers(ground)) as bare:
        for name, spec in _TOOLS.items():
            arguments = given[name]
            path, query = _request(ground, arguments)
            _expect(session.call(spec, arguments).ok, name)
            found = medians(
                {
                    "ours": timed(lambda s=spec, a=arguments: session.call(s, a)),  # type: ignore[misc]
                    "bare": timed(lambda p=path, q=query: bare.get(p, params=q).json()),  # type: ignore[misc]
                },
                sizes.calls,
            )
            figures.append(_core_figure(name, "sync", found))
    session.close()
    return figures


async def _core_async(ground: Ground, given: Mapping[str, Any], sizes: Sizes) -> list[Figure]:
    figures = []
    session = ToolSession(**ground.options())
    async with httpx.AsyncClient(base_url=ground.url, headers=_headers(ground)) as bare:
        for name, spec in _TOOLS.items():
            arguments = given[name]
            path, query = _request(ground, arguments)

            async def asked(path: str = path, query: dict[str, Any] = query) -> Any:
                return (await bare.get(path, params=query)).json()

            found = await async_medians(
                {
                    "ours": lambda s=spec, a=arguments: session.acall(s, a),  # type: ignore[misc]
                    "bare": asked,
                },
                sizes.calls,
            )
            figures.append(_core_figure(name, "async", found))
    await session.aclose()
    return figures


def _core_figure(name: str, colour: str, found: Mapping[str, float]) -> Figure:
    return Figure(
        f"`{name}`, ToolSession, {colour}",
        found["ours"] * 1000,
        "ms",
        f"the same request, bare httpx, {colour}",
        found["bare"] * 1000,
        target=_CORE,
    )


def _native(framework: str, ground: Ground, given: Mapping[str, Any], sizes: Sizes) -> list[Figure]:
    mine, theirs = natives.ours(framework, ground), handwritten.tools(framework, ground)
    figures = []
    for name in _TOOLS:
        contestants: dict[str, Seconds] = {
            "ours": timed(natives.call(framework, mine[name], given[name])),
            "theirs": timed(natives.call(framework, theirs[name], given[name])),
        }
        figures.append(_native_figure(framework, name, "", medians(contestants, sizes.calls)))
    return figures


async def _native_async(
    framework: str, ground: Ground, given: Mapping[str, Any], sizes: Sizes
) -> list[Figure]:
    mine, theirs = natives.ours_async(framework, ground), handwritten.tools(framework, ground)
    figures = []
    for name in _TOOLS:
        ours = natives.async_call(framework, mine[name], given[name])
        other = natives.async_call(framework, theirs[name], given[name])
        if ours is not None and other is not None:
            found = await async_medians({"ours": ours, "theirs": other}, sizes.calls)
            figures.append(_native_figure(framework, name, ", async", found))
    return figures


def _native_figure(framework: str, name: str, colour: str, found: Mapping[str, float]) -> Figure:
    return Figure(
        f"`{name}` in {framework}{colour}",
        found["ours"] * 1000,
        "ms",
        f"a hand-written `requests` tool in {framework}{colour}",
        found["theirs"] * 1000,
        target=_NEVER_SLOWER,
    )


def _retired(ground: Ground, given: Mapping[str, Any], sizes: Sizes) -> list[Figure]:
    mine = natives.ours("langchain", ground)
    figures = []
    with rival("retired", ground.url, ground.key) as other:
        for name in _TOOLS:
            arguments = {"mailbox_id": ground.mailbox, **given[name]}
            contestants: dict[str, Seconds] = {
                "ours": timed(natives.call("langchain", mine[name], given[name])),
                "theirs": lambda n=name, a=arguments: other.call(n, **a)[1],  # type: ignore[misc]
            }
            found = medians(contestants, sizes.calls)
            figures.append(
                Figure(f"`{name}` in langchain", found["ours"] * 1000, "ms", RETIRED,
                       found["theirs"] * 1000)
            )  # fmt: skip
    return figures


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise RuntimeError(f"{what} did not work: there is nothing to measure.")
