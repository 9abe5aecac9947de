"""Toolkits: which tools there are, and one session that runs them.

`ToolkitBase` is the base of every framework's toolkit; an adapter overrides how one tool is built.
`Toolkit` and `ApproverToolkit` serve a plain loop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from os import PathLike
from typing import Any, ClassVar, Generic, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from .. import endpoints as api
from .._call import Retry
from .._client import AsyncMultiMail, MultiMail
from .._config import DEFAULT_BASE_URL
from .._http import Timeout
from ..errors import ConfigurationError
from ..models import Health
from ..sessions import SessionStore
from ..trust import PolicyName, TrustPolicy
from ..trust.targets import Sources
from ._conversation import conversation
from ._guard import Observer
from ._session import DEFAULT_MAX_CHARS, MIN_CHARS, ToolSession
from ._spec import ToolError, ToolResult, ToolSpec
from ._tool_guard import MAX_TEXT_CHARS, Approve, ToolGuard, ToolPolicy
from .catalogue import AGENT_TOOLS, APPROVER_TOOLS, DEFAULT_TOOLS, PACKS

log = logging.getLogger("multimail.tools")

NativeTool = TypeVar("NativeTool")


class SessionOptions(TypedDict, total=False):
    """The keyword arguments of a session; `ToolkitBase` documents them."""

    base_url: str | None
    mailbox: str | None
    policy: PolicyName | TrustPolicy
    store: SessionStore | None
    on_decision: Observer | None
    max_chars: int
    session: str | None
    timeout: float | Timeout | None
    retry: Retry | None
    client: MultiMail | None
    async_client: AsyncMultiMail | None
    user_turns: bool


class ToolkitOptions(SessionOptions, total=False):
    """The keyword arguments of every toolkit, of every framework."""

    include: Iterable[str] | None
    exclude: Iterable[str] | None


class ToolkitBase(Generic[NativeTool]):
    """Base of all toolkits, generic over the framework's type of a tool.

    A subclass overrides `_build_tool`; the approver's twin of it sets `catalogue` to
    `APPROVER_TOOLS`.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The only mailbox that the tools use; default `MULTIMAIL_MAILBOX`, else any.
        policy: What messages may cause: `standard`, `strict` or `off`, or a `TrustPolicy` that
            also lists the senders and recipients that the operator trusts.
        store: Keeps taint and recipients for the guard; default the process's memory, which all
            toolkits share. Conversations that continue in another process need a shared store.
        on_decision: Is called with every `GuardDecision`.
        include: Only these tools: names of tools and of packs (`default`, `triage`, `support`,
            `full`), one or several; default the pack `default`.
        exclude: None of these tools, by the same names.
        max_chars: The most characters of any result's text, at least `min_chars` (1,000).
        session: The conversation of calls for which the framework passes none; default one that
            all toolkits of this process share.
        timeout: Seconds for each request.
        retry: How often and how long to retry a request.
        client: A client to use; the caller closes it.
        async_client: The same for asynchronous calls, for one event loop.
        user_turns: Let the agent write to addresses in the human turns that the framework keeps,
            for an agent that people chat with. Off by default; not where code puts the task
            together.

    Raises:
        ConfigurationError: No key, an unusable URL, or a tool name that does not exist.
    """

    catalogue: ClassVar[tuple[ToolSpec, ...]] = AGENT_TOOLS
    """The tools to choose from."""
    min_chars: ClassVar[int] = MIN_CHARS
    """The smallest `max_chars`; larger for a framework whose results take more room."""
    keeps_user_turns: ClassVar[bool] = False
    """Whether the framework shows a tool which turns of its conversation a person typed."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **options: Unpack[SessionOptions],
    ) -> None:
        if unknown := options.keys() - SessionOptions.__annotations__.keys():
            raise TypeError(
                f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}; there are "
                f"api_key, include, exclude, {', '.join(sorted(SessionOptions.__annotations__))}."
            )
        if options.get("user_turns") and not self.keeps_user_turns:
            raise ConfigurationError(
                f"{type(self).__name__} cannot tell the user's turns from other text, so it does "
                "not take user_turns=True.",
                remedy="Call declare_user_words(text, session_id=…) with what the user typed.",
            )
        self._specs = select_tools(self.catalogue, include, exclude)
        if options.get("max_chars", DEFAULT_MAX_CHARS) < self.min_chars:
            raise ConfigurationError(f"max_chars must be at least {self.min_chars:,} here.")
        self._session = ToolSession(api_key, **options)
        if is_hosted(self._session.base_url):
            self._drop_tools(list_missing_tools(None, self._specs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_join_names(self.specs)}; {self.session!r})"

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The specifications of the toolkit's tools."""
        return self._specs

    @property
    def session(self) -> ToolSession:
        """The session that runs the tools."""
        return self._session

    def get_tools(self, session_id: str | None = None) -> list[NativeTool]:
        """Return the tools, for the framework's agent.

        Args:
            session_id: The conversation that they serve. By default it is the framework's own
                where that passes its id to tools, else that of `conversation`, else one that all
                toolkits of this process share.
        """
        return [self._build_tool(spec, session_id) for spec in self.specs]

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> NativeTool:
        """Return a tool as the framework's own object.

        Args:
            spec: The tool.
            session_id: The conversation; None where the framework passes it with each call.
        """
        raise NotImplementedError

    def check_server(self) -> tuple[str, ...]:
        """Ask the server what it can do, and stop offering the tools that it lacks.

        Call it before `get_tools`. Those that the hosted API lacks are never offered; a server of
        an earlier version lacks others.

        Returns:
            The names of the tools that the server lacks.

        Raises:
            MultiMailError: The server cannot be reached.
        """
        return self._apply_health(self.session.run(lambda _: api.get_health()))

    async def acheck_server(self) -> tuple[str, ...]:
        """Ask the server asynchronously; otherwise like `check_server`."""
        return self._apply_health(await self.session.arun(lambda _: api.get_health()))

    def _apply_health(self, health: Health) -> tuple[str, ...]:
        missing = list_missing_tools(health, self._specs)
        self._drop_tools(missing)
        return missing

    def _drop_tools(self, names: tuple[str, ...]) -> None:
        """Stop offering these tools."""
        if not names:
            return
        log.info("Not offered, since this server lacks them: %s.", ", ".join(names))
        self._specs = tuple(spec for spec in self._specs if spec.name not in names)
        if not self._specs:
            raise ConfigurationError(
                f"This server lacks every tool that was chosen: {', '.join(names)}."
            )

    def spec(self, name: str) -> ToolSpec:
        """Return the specification of the tool of that name.

        Raises:
            ConfigurationError: This toolkit has none.
        """
        spec = self._find(name)
        if spec is None:
            raise ConfigurationError(
                f"This toolkit has no tool {name!r}. It has: {_join_names(self.specs)}."
            )
        return spec

    def check_names(self, names: Iterable[str]) -> frozenset[str]:
        """Return names of the toolkit's tools, such as those that ask before each call.

        Raises:
            ConfigurationError: It has no tool of one of the names.
        """
        return frozenset(self.spec(name).name for name in names)

    def _find(self, name: str) -> ToolSpec | None:
        return next((spec for spec in self.specs if spec.name == name), None)

    def call(
        self, name: str, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool that a model called; an unknown name is an error in the result.

        Args:
            name: The tool's name.
            arguments: The model's arguments, unchecked; JSON text, as models' APIs return it, is
                accepted too.
            session_id: The conversation; default the session's.

        Returns:
            The result, its text within the budget.
        """
        spec = self._find(name)
        if spec is None:
            return self._build_unknown(name)
        return self.session.call(spec, arguments, session_id=session_id)

    async def acall(
        self, name: str, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool by name asynchronously; otherwise like `call`."""
        spec = self._find(name)
        if spec is None:
            return self._build_unknown(name)
        return await self.session.acall(spec, arguments, session_id=session_id)

    def _build_unknown(self, name: str) -> ToolResult:
        step = f"Nothing was done. There are: {_join_names(self.specs)}."
        error = ToolError("no_such_tool", f"There is no tool {name!r:.80}", next_step=step)
        return ToolResult.failure(error)

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to addresses that app code took from the user's own words.

        For one conversation it waits for the session's store: async code calls
        `adeclare_recipients`.

        Args:
            addresses: Never take them from a model's output or from mail.
            session_id: The conversation, by the framework's own id; default all of this toolkit's.
        """
        self.session.declare_recipients(addresses, session_id=session_id)

    async def adeclare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Declare recipients without blocking the event loop.

        Takes the arguments of `declare_recipients`.
        """
        await self.session.adeclare_recipients(addresses, session_id=session_id)

    def register_file(
        self,
        source: str | PathLike[str] | bytes,
        *,
        name: str | None = None,
        session_id: str | None = None,
    ) -> str:
        """Let the agent send a file, and return the handle by which it names it.

        Tell the agent the handle, as in "attach file_0a…". The file is read now and kept in this
        process; a path that a model writes is never read.

        Args:
            source: A path, or the bytes of the file, at most 20 MB.
            name: The name that its recipients see; default that of the path.
            session_id: The conversation, by the framework's own id; default all of this toolkit's.

        Raises:
            ConfigurationError: It cannot be read, has no name, or is too large.
        """
        return self.session.register_file(source, name=name, session_id=session_id)

    def declare_user_words(self, text: str, *, session_id: str | None = None) -> None:
        """Let the agent's tools act on what stands in the user's own words.

        Addresses in them become allowed recipients; for `guarded` tools, URLs, ids, file names and
        the like in them are targets that the user chose.

        Args:
            text: What the user typed, at most 100,000 characters. Never pass text that contains
                mail, pages or other words of others, such as a task that code put together.
            session_id: The conversation, by the framework's own id; default the session's.

        Raises:
            ConfigurationError: It is not one text.
        """
        if not isinstance(text, str):
            raise ConfigurationError(
                f"declare_user_words takes a text, not a {type(text).__name__}.",
                remedy="Call it for each text that the user typed.",
            )
        self.session.guard(session_id).declare_sources(Sources([text[:MAX_TEXT_CHARS]]))

    async def adeclare_user_words(self, text: str, *, session_id: str | None = None) -> None:
        """Declare the user's words without blocking the event loop.

        Takes the arguments of `declare_user_words`.
        """
        declare = partial(self.declare_user_words, session_id=session_id)
        await self.session.run_off_loop(declare, text)

    def guard(
        self, policies: Mapping[str, ToolPolicy] | None = None, *, approve: Approve | None = None
    ) -> ToolGuard:
        """Return the guard for an agent's other tools, for a loop of your own.

        Args:
            policies: What each tool does, by name; default `ToolPolicy()` for each.
            approve: Asks a human about a held call; without it, such a call is refused.
        """
        return ToolGuard(self.session, policies, approve=approve)

    def guarded(
        self,
        tools: Iterable[Any],
        policies: Mapping[str, ToolPolicy] | None = None,
        *,
        approve: Approve | None = None,
        session_id: str | None = None,
    ) -> list[NativeTool]:
        """Return the app's own tools with the guard around them, in the same conversation as mail.

        What untrusted tools return taints the conversation. Afterwards a call that changes
        something runs if the user's words or trusted data supplied what it acts on; else a human
        decides, or it is refused.

        Args:
            tools: The framework's tools, or functions where it takes them.
            policies: What each tool does, by name; default `ToolPolicy()` for each.
            approve: Asks a human about a held call, in place of the framework's own way.
            session_id: The conversation of calls for which the framework passes none.

        Raises:
            ConfigurationError: A policy names none of the tools, or a tool is none of the
                framework's.
        """
        guard = self.guard(policies, approve=approve)
        if not isinstance(tools, Iterable) or isinstance(tools, str):
            raise ConfigurationError(
                f"guarded() takes a list of tools, not a {type(tools).__name__}.",
                remedy="Write guarded([tool]).",
            )
        wrapped = [
            native for tool in tools for native in self._build_guarded(tool, guard, session_id)
        ]
        guard.require_names([name for native in wrapped for name in self._list_names(native)])
        return wrapped

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[NativeTool]:
        """Yield one of the app's tools with the guard around it; several if it is a collection.

        Args:
            tool: The framework's own object.
            guard: Of the agent's tools.
            session_id: The conversation; None where the framework passes it with each call.

        Raises:
            ConfigurationError: There is no framework, or the tool is none of its.
        """
        del guard, session_id
        raise ConfigurationError(
            f"{type(self).__name__} cannot guard {tool!r:.80}.",
            remedy="Pass the framework's tools to its toolkit, or use guard() in a loop of yours.",
        )

    def _list_names(self, tool: Any) -> Iterable[str]:
        """Return the names of a guarded tool, or of the tools of a guarded collection."""
        return [str(tool.name)]

    def conversation(self, session_id: str) -> AbstractContextManager[None]:
        """Return a context manager in which all tool calls belong to one conversation.

        Jobs of one process that have nothing to do with each other need one each, or what one of
        them read holds the mail of the next.

        Args:
            session_id: The conversation, unique among everything that shares a session store.
        """
        return conversation(session_id)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint; call it when the model's context is cleared too.

        It waits for the session's store: async code calls `areset`.

        Args:
            session_id: The conversation, by the framework's own id; default the session's.
        """
        self.session.reset(session_id)

    async def areset(self, session_id: str | None = None) -> None:
        """Forget a conversation without blocking the event loop; otherwise like `reset`."""
        await self.session.areset(session_id)

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self.session.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        await self.session.aclose()


class Toolkit(ToolkitBase[ToolSpec]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `ToolkitBase`.
    """

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> ToolSpec:
        del session_id
        return spec


class ApproverToolkit(Toolkit):
    """The reviewer's tools: list what awaits a decision, read it, decide.

    Takes the arguments of `ToolkitBase`. Its key needs the scopes `read` and `oversight`; a key
    that can also send is refused at the first call.
    """

    catalogue = APPROVER_TOOLS


def is_hosted(base_url: str) -> bool:
    """Return whether an API is the hosted one, whose operations are known without asking."""
    return urlsplit(base_url).hostname == urlsplit(DEFAULT_BASE_URL).hostname


def list_missing_tools(
    health: Health | None, specs: Iterable[ToolSpec] = AGENT_TOOLS
) -> tuple[str, ...]:
    """Return the names of the tools that a server lacks.

    Args:
        health: What the server says of itself; None, or one without `extensions`, for a server
            that has only the operations of the published API.
        specs: The tools to look at.
    """
    has = (health.extensions if health is not None else None) or ()
    return tuple(spec.name for spec in specs if spec.needs and spec.needs not in has)


def select_tools(
    catalogue: Iterable[ToolSpec],
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
) -> tuple[ToolSpec, ...]:
    """Return the tools that `include` and `exclude` leave.

    Raises:
        ConfigurationError: A name is neither in the catalogue nor a pack, or no tool is left.
    """
    specs = tuple(catalogue)
    default = specs if specs != AGENT_TOOLS else DEFAULT_TOOLS
    wanted = _expand_names(include, specs, "include")
    unwanted = _expand_names(exclude, specs, "exclude") or set()
    candidates = default if wanted is None else [spec for spec in specs if spec.name in wanted]
    selected = tuple(spec for spec in candidates if spec.name not in unwanted)
    if not selected:
        raise ConfigurationError("include and exclude leave no tool.")
    return selected


def _expand_names(
    names: Iterable[str] | None, catalogue: tuple[ToolSpec, ...], argument: str
) -> set[str] | None:
    """Return the names of the tools that names of tools and of packs stand for."""
    if names is None:
        return None
    packs = PACKS if catalogue == AGENT_TOOLS else {}
    given = {names} if isinstance(names, str) else set(names)
    unknown = given - {spec.name for spec in catalogue} - packs.keys()
    if unknown:
        also = f" Packs: {', '.join(packs)}." if packs else ""
        raise ConfigurationError(
            f"{argument}: no tool {', '.join(repr(name) for name in sorted(unknown))}."
            f" There are: {_join_names(catalogue)}.{also}"
        )
    return {tool for name in given for tool in packs.get(name, (name,))}


def _join_names(specs: Iterable[ToolSpec]) -> str:
    return ", ".join(spec.name for spec in specs)
