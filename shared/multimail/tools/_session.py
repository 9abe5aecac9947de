"""The tool session: runs any tool, synchronously or asynchronously, for a conversation."""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any, Protocol, Self, TypeVar

from .._call import Operation, Retry
from .._client import AsyncMultiMail, MultiMail
from .._config import load_config, read_timeouts
from .._execution import MailboxCache
from .._forks import reset_after_fork
from .._http import Timeout
from .._loops import run_in_thread
from ..errors import (
    ConfigurationError,
)
from ..sessions import MemorySessionStore, SessionStore
from ..trust import PolicyName, TrustPolicy
from ..trust.addresses import ascii_domain, extract_address, normalize_addresses
from ._arguments import read_json
from ._context import ToolContext
from ._conversation import get_conversation, get_process_conversation
from ._failures import build_failure, name_arguments
from ._guard import Guard, Observer
from ._repeats import RepeatedErrors
from ._spec import ToolArgs, ToolResult, ToolSpec

T = TypeVar("T")

log = logging.getLogger("multimail.tools")

DEFAULT_MAX_CHARS = 8000
MIN_CHARS = 1000
"""The smallest `max_chars` of a session."""
_JSON_FACTS_CHARS = 200
_MIN_PAYMENT = 5
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
# One store for all toolkits: agents that share a conversation often have a toolkit each.
_PROCESS_STORE = MemorySessionStore()


class _Declaring(Protocol):
    """A session or a toolkit."""

    def declare_recipients(self, addresses: Iterable[str], /) -> None: ...


Built = TypeVar("Built", bound=_Declaring)


class ToolSession:
    """Runs tools with one client, one default mailbox, one trust policy and one output budget.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The only mailbox that the tools use; default `MULTIMAIL_MAILBOX`, else any.
        policy: `standard`, `strict` or `off`, or a `TrustPolicy` with the operator's lists.
        store: Keeps taint and recipients for the guard; default this process's memory, which all
            toolkits in it share.
        on_decision: Is called with every `GuardDecision`, in the thread of the tool call.
        max_chars: The most characters of a result's text, at least 1,000.
        session: The conversation of calls for which the framework passes none; default one that
            all toolkits of this process share.
        timeout: Seconds for each request.
        retry: How often and how long to retry a request.
        client: A client to use; the caller closes it.
        async_client: The same for asynchronous calls.
        user_turns: Whether the framework's adapter passes the human turns to `declare_turns`.

    Raises:
        ConfigurationError: No key, an unusable base URL, a budget under 1,000, or a path as store.
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
        timeout: float | Timeout | None = None,
        retry: Retry | None = None,
        client: MultiMail | None = None,
        async_client: AsyncMultiMail | None = None,
        user_turns: bool = False,
    ) -> None:
        if max_chars < MIN_CHARS:
            raise ConfigurationError(f"max_chars must be at least {MIN_CHARS:,}.")
        if isinstance(store, str | PathLike):
            raise ConfigurationError(
                "store is a path, not a session store.",
                remedy="Pass store=SqliteSessionStore(path), from multimail.sessions.",
            )
        trust_policy = policy if isinstance(policy, TrustPolicy) else TrustPolicy(policy)
        read_timeouts(timeout)  # refused here, and not with the first call
        lent = client or async_client
        self._config = lent.config if lent else load_config(api_key, base_url, mailbox)
        self._options: dict[str, Any] = {"timeout": timeout, "retry": retry}
        self._store, self._observer = store, on_decision
        self._lent_client, self._lent_async_client = client, async_client
        self._client: MultiMail | None = None
        self._async_client: AsyncMultiMail | None = None
        self._lock = threading.Lock()
        # Any other store may wait: for a lock of its file, or for a server.
        self._store_may_block = store is not None and type(store) is not MemorySessionStore
        self._session_id = session
        self.user_turns = user_turns
        self._origin = f"toolkit-{secrets.token_hex(8)}"
        pinned = mailbox or self._config.mailbox
        guard = Guard(
            policy=trust_policy,
            store=_PROCESS_STORE if store is None else store,
            api=self._config.base_url,
            pinned=pinned or "",
            origin=self._origin,
            observer=on_decision,
        )
        self._context = ToolContext(session or "", guard, max_chars, pinned)
        self._repeated = RepeatedErrors()
        reset_after_fork(self)
        if trust_policy.name == "off":
            log.warning("The trust policy is off: forged mail is not detected.")

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a copy of a framework's tool goes on with the same conversations

    def __reduce__(self) -> tuple[Any, ...]:
        return build_unpickled, (ToolSession, *self.get_pickled())

    def get_pickled(self) -> tuple[dict[str, Any], frozenset[str]]:
        """Return what a pickle holds: all but the API key, and the declared recipients.

        Raises:
            TypeError: A client was passed in.
        """
        if self._lent_client is not None or self._lent_async_client is not None:
            raise TypeError(
                "Tools that were given client= or async_client= can't be pickled: connections "
                "belong to one process. Leave them out, or build the toolkit in the new process."
            )
        options = {
            "base_url": self._config.base_url,
            "mailbox": self._context.pinned,
            "policy": self._context.guard.policy,
            "store": self._store,
            "on_decision": self._observer,
            "max_chars": self._context.max_chars,
            "session": self._session_id,
            "user_turns": self.user_turns,
            **self._options,
        }
        return options, self._context.guard.declared

    def __repr__(self) -> str:
        where = f"base_url={self._config.base_url!r}, mailbox={self._context.pinned!r}"
        return f"ToolSession({where}, policy={self._context.guard.policy.name!r})"

    @property
    def base_url(self) -> str:
        """The API's base URL."""
        return self._config.base_url

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to addresses that your code took from the user's own words.

        Args:
            addresses: Never take them from a model's output or from mail. A payment detail, such as
                an IBAN, may be among them: the agent may then name it.
            session_id: Only for this conversation; default for all of this toolkit's.

        Raises:
            ConfigurationError: One of them is neither an address nor a payment detail.
        """
        texts = [addresses] if isinstance(addresses, str) else list(addresses)
        for text in texts:
            _require_declarable(text)
        declared = normalize_addresses(texts)
        if session_id is not None:
            replace(self._context.guard, session_id=session_id).declare(declared)
            return
        with self._lock:
            guard = self._context.guard
            guard = replace(guard, declared=guard.declared | declared)
            self._context = replace(self._context, guard=guard)

    async def adeclare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Declare recipients without blocking the event loop."""
        declare = partial(self.declare_recipients, session_id=session_id)
        await self.run_off_loop(declare, addresses)

    def register_file(
        self,
        source: str | PathLike[str] | bytes,
        *,
        name: str | None = None,
        session_id: str | None = None,
    ) -> str:
        """Let the agent send a file, and return the handle by which it names it.

        The file is read now; a later change of it is not sent. This process keeps the latest
        256 MB of such files.

        Args:
            source: A path, or the bytes of the file, at most 20 MB.
            name: The name that its recipients see; default that of the path.
            session_id: Only for this conversation; default for all of this toolkit's.

        Raises:
            ConfigurationError: It cannot be read, has no name, or is too large.
        """
        return self._context.files.register(source, name, session_id)

    def declare_turns(self, texts: Iterable[str], *, session_id: str | None = None) -> None:
        """Let the agent write to addresses of the human turns that a framework keeps.

        An address counts for nothing if received mail of the mailbox names it: users paste mail.
        `declare_recipients` counts even then.

        Args:
            texts: What people typed. Never what a tool or a model said, or what code put together.
            session_id: The conversation, by the framework's own id; default the session's.
        """
        if self.user_turns:
            self.guard(session_id).declare_turns(texts)

    async def run_off_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function that uses the session's store, without blocking the event loop.

        It runs in a thread, but directly where the store is in memory.
        """
        if self._store_may_block:
            return await run_in_thread(function, *args)
        return function(*args)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint and files. Clear the model's context too, for safety.

        Args:
            session_id: The conversation; default that of `conversation`, else the session's own.
        """
        guard = replace(self._context.guard, session_id=session_id) if session_id else self.guard()
        guard.reset()
        self._context.files.forget(guard.session_id)

    async def areset(self, session_id: str | None = None) -> None:
        """Forget a conversation without blocking the event loop; otherwise like `reset`."""
        await self.run_off_loop(self.reset, session_id)

    def guard(self, session_id: str | None = None) -> Guard:
        """Return the guard of a conversation, for app code that shows mail by other ways.

        Args:
            session_id: The conversation, by the framework's own id; default the session's own. That
                of `conversation` goes before both.
        """
        return replace(self._context.guard, session_id=self._get_conversation(session_id))

    def _get_conversation(self, session_id: str | None) -> str:
        return get_conversation() or session_id or self._session_id or get_process_conversation()

    def call(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool. An error is returned in the result and not raised.

        Args:
            spec: The tool.
            arguments: The model's arguments, unchecked; JSON text is accepted too.
            session_id: The conversation, by the framework's own id; default the session's.

        Returns:
            The result, its text within the budget.
        """
        return self._call(spec, arguments, session_id, self._context.max_chars)

    async def acall(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool asynchronously; otherwise like `call`."""
        return await self._acall(spec, arguments, session_id, self._context.max_chars)

    def run(
        self, work: Callable[[ToolContext], Operation[T]], *, session_id: str | None = None
    ) -> T:
        """Run an operation of app code in a conversation: under its guard, without a model.

        Args:
            work: Builds the operation from the context.
            session_id: The conversation; default the session's.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        client = self._get_client()
        context = self._build_context(session_id, client.mailbox_cache, self._context.max_chars)
        return client.run(work(context))

    async def arun(
        self, work: Callable[[ToolContext], Operation[T]], *, session_id: str | None = None
    ) -> T:
        """Run an operation asynchronously; otherwise like `run`."""
        client = self._get_async_client()
        context = self._build_context(session_id, client.mailbox_cache, self._context.max_chars)
        return await client.run(work(context), may_block=self._store_may_block)

    def call_json(
        self, spec: ToolSpec, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> tuple[ToolResult, str]:
        """Run a tool for a framework whose results are JSON; the JSON is within the budget.

        Returns:
            The result, and its JSON (`ToolResult.as_json`).
        """
        first, second = self._get_json_budgets(spec)
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
        """Run a tool asynchronously; otherwise like `call_json`."""
        first, second = self._get_json_budgets(spec)
        result = await self._acall(spec, arguments, session_id, first)
        whole = result.as_json()
        if len(whole) <= self._context.max_chars:
            return result, whole
        if spec.access != "write":
            result = await self._acall(spec, arguments, session_id, second)
        return result, result.as_json(self._context.max_chars)

    def _get_json_budgets(self, spec: ToolSpec) -> tuple[int, int]:
        """Return the most characters of a text for the first try and for the second.

        JSON writes a quote or a line break as two characters, so at worst it doubles a text. An
        approver's tool runs once, with the smaller budget: what a first try read but did not show
        would count as seen.
        """
        total = self._context.max_chars
        larger = max(MIN_CHARS, int(total * 0.85) - _JSON_FACTS_CHARS)
        smaller = max(MIN_CHARS, int(total * 0.5) - _JSON_FACTS_CHARS)
        return (smaller if spec.access == "approve" else larger), smaller

    def _call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._get_client()
            context = self._build_context(session_id, client.mailbox_cache, max_chars)
            operation = spec.operation(_parse_arguments(spec, arguments), context)
            result = client.run(operation)
        except Exception as error:
            result = build_failure(spec, error, arguments)
        return _fit(self._explain(spec, arguments, session_id, result), max_chars)

    async def _acall(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._get_async_client()
            context = self._build_context(session_id, client.mailbox_cache, max_chars)
            operation = spec.operation(_parse_arguments(spec, arguments), context)
            result = await client.run(operation, may_block=self._store_may_block)
        except Exception as error:
            result = build_failure(spec, error, arguments)
        return _fit(self._explain(spec, arguments, session_id, result), max_chars)

    def _explain(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        session_id: str | None,
        result: ToolResult,
    ) -> ToolResult:
        """Say of an error what can be left out; say something else of one that is repeated."""
        if result.error is None and self._repeated.is_empty:
            return result
        explained = name_arguments(spec, arguments, result)
        conversation = self._get_conversation(session_id)
        return self._repeated.check(conversation, spec, arguments, explained)

    def _build_context(
        self, session_id: str | None, cache: MailboxCache, max_chars: int
    ) -> ToolContext:
        guard = self.guard(session_id)
        is_shared = guard.session_id == get_process_conversation()
        return replace(
            self._context,
            session_id=guard.session_id,
            origin=self._origin if is_shared else guard.session_id,
            guard=guard,
            max_chars=max_chars,
            mailbox_cache=cache,
        )

    def _get_client(self) -> MultiMail:
        if self._lent_client is not None:
            return self._lent_client
        with self._lock:
            if self._client is None:
                self._client = MultiMail(**self._client_options())
                self._client.mailbox_cache = self._context.mailbox_cache
            return self._client

    def _get_async_client(self) -> AsyncMultiMail:
        if self._lent_async_client is not None:
            return self._lent_async_client
        with self._lock:
            if self._async_client is None:
                self._async_client = AsyncMultiMail(**self._client_options())
                self._async_client.mailbox_cache = self._context.mailbox_cache
            return self._async_client

    def _client_options(self) -> dict[str, Any]:
        return {
            "api_key": self._config.api_key.reveal(),
            "base_url": self._config.base_url,
            "mailbox": self._context.pinned,
            **self._options,
        }

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        if self._async_client is not None:
            await self._async_client._close_in_loop()
        self.close()


def build_unpickled(
    build: Callable[..., Built], options: dict[str, Any], declared: frozenset[str]
) -> Built:
    """Return a session or toolkit from its pickle, with the API key of this process.

    Raises:
        ConfigurationError: The environment has no API key.
    """
    if not os.environ.get("MULTIMAIL_API_KEY", "").strip():
        raise ConfigurationError(
            "Pickled tools contain no API key, and this process has none in its environment.",
            remedy="Set MULTIMAIL_API_KEY for this process, or build the toolkit in it.",
        )
    built = build(**options)
    built.declare_recipients(declared)
    return built


def _parse_arguments(spec: ToolSpec, arguments: Mapping[str, Any] | str | None) -> ToolArgs:
    if isinstance(arguments, str):
        return spec.args.model_validate_json(read_json(arguments))
    plain = dict(arguments) if isinstance(arguments, Mapping) else arguments
    return spec.args.model_validate({} if plain is None else plain)


def _fit(result: ToolResult, max_chars: int) -> ToolResult:
    if len(result.text) <= max_chars:
        return result
    log.error("A result of %d characters was cut to %d.", len(result.text), max_chars)
    text = result.text[: max_chars - 10] + " […cut]"
    return ToolResult(text, result.data, result.decision, result.error, result.files)


def _require_declarable(text: str) -> None:
    """Require an address, or what can be a payment detail: at least five characters, a digit."""
    local, at, domain = extract_address(text).rpartition("@")
    is_address = bool(local and at) and ascii_domain(domain) is not None
    is_payment = not at and len(text.strip()) >= _MIN_PAYMENT and any(map(str.isdigit, text))
    if not is_address and not is_payment and not _BIC.fullmatch(text.strip()):
        raise ConfigurationError(
            f"{text!r:.80} is neither an address nor a payment detail.",
            remedy="Declare ann@example.com; a whole domain belongs into TrustPolicy(listed=…).",
        )
