"""The tool session: runs any tool, in either colour, with one client, policy and output budget."""

from __future__ import annotations

import logging
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pydantic

from .._call import Operation, Retry
from .._client import AsyncMultiMail, MultiMail
from .._config import load_config
from .._mailbox_cache import MailboxCache
from ..errors import ConfigurationError, InvalidResponseError, MultiMailError
from ..sessions import MemorySessionStore, SessionStore
from ..trust import PolicyName, TrustPolicy
from ..trust.addresses import normalize_addresses
from .context import ToolContext
from .guard import Guard, Observer
from .spec import UNKNOWN_OUTCOME, ToolArgs, ToolError, ToolResult, ToolSpec, argument_error

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")

log = logging.getLogger("multimail.tools")

DEFAULT_MAX_CHARS = 8000
LEAST_CHARS = 1000
_JSON_FACTS = 200
# One for all toolkits: agents that share a conversation often have a toolkit each.
_OF_THE_PROCESS = MemorySessionStore()


class ToolSession:
    """Runs tools for agents: binds the API, one default mailbox, the policy and the budget.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The only mailbox that the tools use; default `MULTIMAIL_MAILBOX`, else any.
        policy: `standard`, `strict` or `off`, or a `TrustPolicy` with the operator's lists.
        store: Where the guard remembers taint and recipients; default this process's memory,
            which all toolkits in it share.
        on_decision: Is called with every `GuardDecision`, in the thread of the tool call.
        max_chars: The most characters of any result's text, at least 1,000.
        session: An id for all conversations that the framework gives none to; default a new one.
        timeout: Seconds for each request.
        retry: How often and how long to try again.
        client: A client to use, which stays yours to close.
        async_client: The same for async calls; it must be used in one event loop only.

    Raises:
        ConfigurationError: No key, an unusable base URL, or a budget under 1,000.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        policy: PolicyName | TrustPolicy = "standard",
        store: SessionStore | None = None,
        on_decision: Observer | None = None,
        max_chars: int = DEFAULT_MAX_CHARS,
        session: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        client: MultiMail | None = None,
        async_client: AsyncMultiMail | None = None,
    ) -> None:
        if max_chars < LEAST_CHARS:
            raise ConfigurationError(f"max_chars must be at least {LEAST_CHARS:,}.")
        chosen = policy if isinstance(policy, TrustPolicy) else TrustPolicy(policy)
        given = client or async_client
        self._config = given.config if given else load_config(api_key, base_url, mailbox)
        self._options: dict[str, Any] = {"timeout": timeout, "retry": retry}
        self._given, self._given_async = client, async_client
        self._own: MultiMail | None = None
        self._by_loop: weakref.WeakKeyDictionary[Any, AsyncMultiMail] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self._session_id = session or f"toolkit-{secrets.token_hex(8)}"
        pinned = mailbox or self._config.mailbox
        guard = Guard(
            policy=chosen,
            store=_OF_THE_PROCESS if store is None else store,
            api=self._config.base_url,
            pinned=pinned or "",
            observer=on_decision,
        )
        self._context = ToolContext(self._session_id, guard, max_chars, pinned)
        if chosen.name == "off":
            log.warning("The trust policy is off: spoofed mail is not told apart.")

    def __repr__(self) -> str:
        where = f"base_url={self._config.base_url!r}, mailbox={self._context.pinned!r}"
        return f"ToolSession({where}, policy={self._context.guard.policy.name!r})"

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to addresses that your code took from the user's own words.

        Args:
            addresses: Never take them from a model's output or from mail.
            session_id: For this conversation only; default for all of this toolkit's.
        """
        found = normalize_addresses([addresses] if isinstance(addresses, str) else addresses)
        if session_id is not None:
            self.guard(session_id).declare(found)
            return
        with self._lock:
            guard = self._context.guard
            guard = replace(guard, declared=guard.declared | found)
            self._context = replace(self._context, guard=guard)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint, together with its context: the model must forget too.

        Args:
            session_id: Which one; default this session's own.
        """
        self.guard(session_id).reset()

    def guard(self, session_id: str | None = None) -> Guard:
        """Return the guard of a conversation, for app code that shows mail by other ways.

        Args:
            session_id: Which one; default this session's own.
        """
        return replace(self._context.guard, session_id=session_id or self._session_id)

    def call(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool. What goes wrong is in the result; it does not raise.

        Args:
            spec: The tool.
            arguments: What the model said, unchecked; as JSON text too.
            session_id: The conversation, by the framework's own id; default the session's.

        Returns:
            The result, its text within the budget.
        """
        return self._call(spec, arguments, session_id, self._context.max_chars)

    async def acall(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool, asynchronously; otherwise as `call`."""
        return await self._acall(spec, arguments, session_id, self._context.max_chars)

    def run(
        self, work: Callable[[ToolContext], Operation[T]], *, session_id: str | None = None
    ) -> T:
        """Carry out an operation of app code in a conversation: with its guard, and no model.

        Args:
            work: Makes the operation of its surroundings.
            session_id: The conversation; default the session's.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        client = self._sync()
        context = self._context_of(session_id, client.mailbox_cache, self._context.max_chars)
        return client.run(work(context))

    async def arun(
        self, work: Callable[[ToolContext], Operation[T]], *, session_id: str | None = None
    ) -> T:
        """Do the same, asynchronously."""
        client = self._async()
        context = self._context_of(session_id, client.mailbox_cache, self._context.max_chars)
        return await client.run(work(context))

    def call_json(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> tuple[ToolResult, str]:
        """Run a tool for a framework whose results are JSON; the JSON is within the budget.

        Returns:
            The result, and its JSON (`ToolResult.as_json`).
        """
        first, second = self._json_rooms(spec)
        result = self._call(spec, arguments, session_id, first)
        whole = result.as_json()
        if len(whole) <= self._context.max_chars:
            return result, whole
        if spec.access != "write":
            result = self._call(spec, arguments, session_id, second)
        return result, result.as_json(self._context.max_chars)

    async def acall_json(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> tuple[ToolResult, str]:
        """Run a tool, asynchronously; otherwise as `call_json`."""
        first, second = self._json_rooms(spec)
        result = await self._acall(spec, arguments, session_id, first)
        whole = result.as_json()
        if len(whole) <= self._context.max_chars:
            return result, whole
        if spec.access != "write":
            result = await self._acall(spec, arguments, session_id, second)
        return result, result.as_json(self._context.max_chars)

    def _json_rooms(self, spec: ToolSpec) -> tuple[int, int]:
        """Return how long a text may be at the first try and at the second, before it is JSON.

        JSON writes a quote or a line break as two characters, so at worst it doubles a text. An
        approver gets one try, the sure one: what a first try read but did not show would count
        as seen.
        """
        longest = self._context.max_chars
        first, second = int(longest * 0.85) - _JSON_FACTS, int(longest * 0.5) - _JSON_FACTS
        sure = max(LEAST_CHARS, second)
        return (sure if spec.access == "approve" else max(LEAST_CHARS, first)), sure

    def _call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._sync()
            cache = client.mailbox_cache
            operation = self._operation(spec, arguments, session_id, cache, max_chars)
            return _fitted(client.run(operation), max_chars)
        except Exception as error:
            return _fitted(_failure(spec, error), max_chars)

    async def _acall(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._async()
            cache = client.mailbox_cache
            operation = self._operation(spec, arguments, session_id, cache, max_chars)
            return _fitted(await client.run(operation), max_chars)
        except Exception as error:
            return _fitted(_failure(spec, error), max_chars)

    def _operation(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str | None,
        session_id: str | None,
        cache: MailboxCache,
        max_chars: int,
    ) -> Operation[ToolResult]:
        return spec.operation(
            _read(spec, arguments), self._context_of(session_id, cache, max_chars)
        )

    def _context_of(
        self, session_id: str | None, cache: MailboxCache, max_chars: int
    ) -> ToolContext:
        guard = self.guard(session_id)
        return replace(
            self._context,
            session_id=guard.session_id,
            guard=guard,
            max_chars=max_chars,
            mailbox_cache=cache,
        )

    def _sync(self) -> MultiMail:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._own is None:
                self._own = MultiMail(**self._connection())
                self._own.mailbox_cache = self._context.mailbox_cache
            return self._own

    def _async(self) -> AsyncMultiMail:
        if self._given_async is not None:
            return self._given_async
        loop = _running_loop()
        with self._lock:
            client = self._by_loop.get(loop)
            if client is None:
                client = AsyncMultiMail(**self._connection())
                client.mailbox_cache = self._context.mailbox_cache
                self._by_loop[loop] = client
            return client

    def _connection(self) -> dict[str, Any]:
        return {
            "api_key": self._config.api_key.reveal(),
            "base_url": self._config.base_url,
            "mailbox": self._context.pinned,
            **self._options,
        }

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        with self._lock:
            client, self._own = self._own, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        with self._lock:
            client = self._by_loop.pop(_running_loop(), None)
        if client is not None:
            await client.close()
        self.close()


def _running_loop() -> AbstractEventLoop:
    import asyncio  # here, since a process of synchronous tools needs none of it

    return asyncio.get_running_loop()


def _read(spec: ToolSpec, arguments: Mapping[str, Any] | str | None) -> ToolArgs:
    if isinstance(arguments, str):
        return spec.args.model_validate_json(arguments or "{}")
    given = dict(arguments) if isinstance(arguments, Mapping) else arguments
    return spec.args.model_validate({} if given is None else given)


def _fitted(result: ToolResult, longest: int) -> ToolResult:
    if len(result.text) <= longest:
        return result
    log.error("A result of %d characters was cut to %d.", len(result.text), longest)
    text = result.text[: longest - 10] + " […cut]"
    return ToolResult(text, result.data, result.decision, result.error, result.files)


def _failure(spec: ToolSpec, error: Exception) -> ToolResult:
    if isinstance(error, InvalidResponseError) and not spec.hints.read_only:
        # The API accepted something and said what nobody can read.
        return ToolResult.failure(ToolError(error.code, error.message, next_step=UNKNOWN_OUTCOME))
    if isinstance(error, MultiMailError):
        return ToolResult.failure(ToolError.of(error))
    if isinstance(error, pydantic.ValidationError):
        return ToolResult.failure(argument_error(spec, error))
    log.error("The tool %s failed unexpectedly.", spec.name, exc_info=error)
    return ToolResult.failure(
        ToolError(
            "internal",
            f"{spec.name} failed by a fault of its own ({type(error).__name__})",
            next_step="Do something else, or ask a person to look at the log.",
        )
    )
