"""Tool calls: one at a time through the core and each framework, and a thousand at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from multimail import AsyncMultiMail
from multimail._connections import MAX_CONNECTIONS, MAX_IDLE_CONNECTIONS
from multimail._http import get_library
from multimail.tools import ToolSession
from multimail.tools.catalogue import CHECK_INBOX, READ_EMAIL

from . import framework_calls
from .comparator import RETIRED, start_comparator
from .dataset import DOMAIN, Mail, prose
from .environment import Environment, start_environment
from .metrics import Figure, Part, Sizes
from .timing import Seconds, async_medians, medians, timed

_TOOLS = {"check_inbox": CHECK_INBOX, "read_email": READ_EMAIL}
_CORE_TARGETS = {"check_inbox": 1.10, "read_email": 1.05}
_NATIVE_TARGET = 1.0
_LIBRARIES = {library.__name__: library for library in (get_library(), httpx)}
"""What bare requests are made with: the library that this package's client uses, and httpx."""
_CALLS_NOTE = (
    "The API is this package's own server on loopback, so a request takes the least time possible."
    " Over a network the request takes longer and the tool's share is smaller. The hand-written"
    " tool is `requests.get` in a decorated function, as in recipes for REST APIs; each call is"
    " made as the framework's agent makes it."
)


def measure_calls(sizes: Sizes) -> Part:
    """Measure calls of `check_inbox` (20 rows) and `read_email` (10 KB)."""
    mails = [Mail(n, f"desk{n}@{DOMAIN}", f"Report {n}", prose(1200, n)) for n in range(19)]
    mails.append(Mail(19, f"desk19@{DOMAIN}", "Ten kilobytes", prose(10_000)))
    figures: list[Figure] = []
    with start_environment(mails) as environment:
        calls = _Calls(environment, sizes)
        figures += calls.measure_core()
        figures += asyncio.run(calls.measure_core_async())
        for framework in framework_calls.FRAMEWORKS:
            figures += calls.measure_framework(framework)
            figures += asyncio.run(calls.measure_framework_async(framework))
        figures += calls.measure_retired()
    return Part("calls", "A tool call", figures, note=_CALLS_NOTE)


class _Calls:
    """The calls of one environment; the newest message is the one that is read."""

    def __init__(self, environment: Environment, sizes: Sizes) -> None:
        self._environment, self._rounds = environment, sizes.calls
        self._headers = {"Authorization": f"Bearer {environment.key}"}
        self._path = f"/v1/mailboxes/{environment.mailbox}/emails"
        with httpx.Client(base_url=environment.url, headers=self._headers) as client:
            rows = client.get(self._path, params={"limit": 1}).json()["emails"]
        self._arguments: dict[str, dict[str, Any]] = {
            "check_inbox": {"limit": 20},
            "read_email": {"email_id": rows[0]["id"]},
        }

    def measure_core(self) -> list[Figure]:
        """Compare `ToolSession` with the same request by each library."""
        figures = []
        session = ToolSession(**self._environment.options())
        for library, module in _LIBRARIES.items():
            with module.Client(base_url=self._environment.url, headers=self._headers) as bare:
                for name, spec in _TOOLS.items():
                    arguments = self._arguments[name]
                    path, query = self._request(arguments)
                    if not session.call(spec, arguments).ok:
                        raise RuntimeError(f"{name} failed, so there is nothing to measure.")
                    contestants: dict[str, Seconds] = {
                        "ours": timed(lambda s=spec, a=arguments: session.call(s, a)),  # type: ignore[misc]
                        "bare": timed(lambda p=path, q=query: bare.get(p, params=q).json()),  # type: ignore[misc]
                    }
                    seconds = medians(contestants, self._rounds)
                    figures.append(_core_figure(name, library, "sync", seconds))
        session.close()
        return figures

    async def measure_core_async(self) -> list[Figure]:
        """Compare the asynchronous `ToolSession` with the same request by each library."""
        figures = []
        session = ToolSession(**self._environment.options())
        options = {"base_url": self._environment.url, "headers": self._headers}
        for library, module in _LIBRARIES.items():
            async with module.AsyncClient(**options) as bare:
                for name, spec in _TOOLS.items():
                    arguments = self._arguments[name]
                    path, query = self._request(arguments)

                    async def get(
                        client: Any = bare, path: str = path, query: dict[str, Any] = query
                    ) -> Any:
                        return (await client.get(path, params=query)).json()

                    seconds = await async_medians(
                        {
                            "ours": lambda s=spec, a=arguments: session.acall(s, a),  # type: ignore[misc]
                            "bare": get,
                        },
                        self._rounds,
                    )
                    figures.append(_core_figure(name, library, "async", seconds))
        await session.aclose()
        return figures

    def measure_framework(self, framework: str) -> list[Figure]:
        """Compare this package's tools with hand-written ones."""
        ours = framework_calls.build_tools(framework, self._environment)
        theirs = framework_calls.build_handwritten_tools(framework, self._environment)
        figures = []
        for name in _TOOLS:
            contestants: dict[str, Seconds] = {
                role: timed(
                    framework_calls.build_call(framework, tools[name], self._arguments[name])
                )
                for role, tools in (("ours", ours), ("theirs", theirs))
            }
            figures.append(_native_figure(framework, name, "", medians(contestants, self._rounds)))
        return figures

    async def measure_framework_async(self, framework: str) -> list[Figure]:
        """Compare the asynchronous calls, where the framework has them."""
        ours = framework_calls.build_async_tools(framework, self._environment)
        theirs = framework_calls.build_handwritten_tools(framework, self._environment)
        figures = []
        for name in _TOOLS:
            arguments = self._arguments[name]
            our_call = framework_calls.build_async_call(framework, ours[name], arguments)
            their_call = framework_calls.build_async_call(framework, theirs[name], arguments)
            if our_call is not None and their_call is not None:
                seconds = await async_medians(
                    {"ours": our_call, "theirs": their_call}, self._rounds
                )
                figures.append(_native_figure(framework, name, ", async", seconds))
        return figures

    def measure_retired(self) -> list[Figure]:
        """Compare LangChain's calls with those of the retired package."""
        ours = framework_calls.build_tools("langchain", self._environment)
        figures = []
        with start_comparator("retired", self._environment.url, self._environment.key) as other:
            for name in _TOOLS:
                arguments = {"mailbox_id": self._environment.mailbox, **self._arguments[name]}
                call = framework_calls.build_call("langchain", ours[name], self._arguments[name])
                contestants: dict[str, Seconds] = {
                    "ours": timed(call),
                    "theirs": lambda n=name, a=arguments: other.call(n, **a)[1],  # type: ignore[misc]
                }
                seconds = medians(contestants, self._rounds)
                figures.append(_call_figure(f"`{name}` in langchain", seconds["ours"], RETIRED,
                                            seconds["theirs"]))  # fmt: skip
        return figures

    def _request(self, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the path and the query of the request that a tool makes."""
        email_id = arguments.get("email_id")
        return (f"{self._path}/{email_id}", {}) if email_id else (self._path, dict(arguments))


def _call_figure(
    name: str, ours: float, against: str, theirs: float, target: float | None = None
) -> Figure:
    return Figure(name, ours * 1000, "ms", against, theirs * 1000, target=target)


def _core_figure(name: str, library: str, mode: str, seconds: Mapping[str, float]) -> Figure:
    against = f"the same request, bare {library}, {mode}"
    title = f"`{name}`, ToolSession, {mode}"
    return _call_figure(title, seconds["ours"], against, seconds["bare"], _CORE_TARGETS[name])


def _native_figure(framework: str, name: str, suffix: str, seconds: Mapping[str, float]) -> Figure:
    against = f"a hand-written `requests` tool in {framework}{suffix}"
    title = f"`{name}` in {framework}{suffix}"
    return _call_figure(title, seconds["ours"], against, seconds["theirs"], _NATIVE_TARGET)


_TIMEOUT = httpx.Timeout(300.0)
_LIMITS = httpx.Limits(
    max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE_CONNECTIONS
)
_CONCURRENT_TARGET = 0.85
_UNLIMITED = "httpx.AsyncClient, with the same limits"
_LIMITED = "the same behind a semaphore of 100"
_CONCURRENT_NOTE = (
    "All clients have the same pool (100 connections, 20 kept) and the same server, which answers"
    " from one process. The difference is in httpcore 1.0.9, httpx's pool: whenever a request"
    " starts or ends, it checks every connection for every waiting request, and offers a free"
    " connection to all of them, of which one gets it (encode/httpcore#1035). If a connection"
    " exists, 1,000 reads make some 6,000 such passes and 4,000 failed attempts, 2 to 3 ms of"
    " processor time for each read. If none exists, 1,000 connections are opened and 980 closed,"
    " since the limit on idle connections also counts those in use, and a read takes 24 ms. Which"
    " of the two happens depends on whether the last request was less than five seconds ago, so"
    " both are measured. This package's client passes no more requests to the pool than it has"
    " connections; the row with a semaphore is a caller that does the same."
)


def measure_concurrent(sizes: Sizes) -> Part:
    """Measure `sizes.reads` concurrent reads of one message of 1 KB."""
    mail = Mail(0, f"desk@{DOMAIN}", "One kilobyte", prose(1000))
    with start_environment([mail]) as environment:
        seconds = asyncio.run(_measure_reads(environment, sizes))
    rates = {name: sizes.reads / value for name, value in seconds.items()}
    title = f"{sizes.reads:,} concurrent `read_email` on one AsyncMultiMail"
    figures = [
        _rate_figure(title, rates["ours"], _UNLIMITED, rates["bare"]),
        _rate_figure(title, rates["ours"], _LIMITED, rates["limited"]),
        _rate_figure(
            f"{title}, no connection yet", rates["ours, cold"], _UNLIMITED, rates["bare, cold"]
        ),
    ]
    return Part("concurrent", "Many reads at once", figures, note=_CONCURRENT_NOTE)


def _rate_figure(name: str, ours: float, against: str, theirs: float) -> Figure:
    return Figure(name, ours, "/s", against, theirs, target=_CONCURRENT_TARGET, at_least=True)


async def _measure_reads(environment: Environment, sizes: Sizes) -> dict[str, float]:
    """Return the seconds of each contestant, with a connection in its pool and with none."""
    async with (
        _open_ours(environment) as mail,
        _open_bare(environment) as bare,
        _open_bare(environment) as limited,
    ):
        email_id = (await mail.check_inbox(limit=1)).items[0].id
        path = f"/v1/mailboxes/{environment.mailbox}/emails/{email_id}"
        semaphore = asyncio.Semaphore(MAX_CONNECTIONS)

        async def read_limited() -> Any:
            async with semaphore:
                return await _read(limited, path)

        warm = await async_medians(
            {
                "ours": lambda: _repeat_warm(lambda: mail.read_email(email_id), sizes.reads),
                "bare": lambda: _repeat_warm(lambda: _read(bare, path), sizes.reads),
                "limited": lambda: _repeat_warm(read_limited, sizes.reads),
            },
            sizes.rounds,
        )

    async def read_ours_cold() -> None:
        async with _open_ours(environment) as client:
            await _repeat(lambda: client.read_email(email_id), sizes.reads)

    async def read_bare_cold() -> None:
        async with _open_bare(environment) as client:
            await _repeat(lambda: _read(client, path), sizes.reads)

    cold = await async_medians({"ours, cold": read_ours_cold, "bare, cold": read_bare_cold}, 1)
    return warm | cold


def _open_ours(environment: Environment) -> AsyncMultiMail:
    return AsyncMultiMail(**environment.options(), timeout=_TIMEOUT)


def _open_bare(environment: Environment) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {environment.key}"}
    return httpx.AsyncClient(
        base_url=environment.url, headers=headers, timeout=_TIMEOUT, limits=_LIMITS
    )


async def _read(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


async def _repeat_warm(work: Callable[[], Awaitable[Any]], count: int) -> None:
    """Do the work once, so that the pool has a connection, and then `count` times at once."""
    await work()
    await _repeat(work, count)


async def _repeat(work: Callable[[], Awaitable[Any]], count: int) -> None:
    await asyncio.gather(*(work() for _ in range(count)))
