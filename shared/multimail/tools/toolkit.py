"""The toolkit without a framework: which tools there are, and one session that runs them.

Integrations translate a `Toolkit` into native tool objects; a plain loop can use it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypedDict, Unpack

import httpx

from .._call import Retry
from .._client import AsyncMultiMail, MultiMail
from ..errors import ConfigurationError
from ..sessions import SessionStore
from ..trust import PolicyName, TrustPolicy
from .catalogue import AGENT_TOOLS, APPROVER_TOOLS
from .guard import Observer
from .session import DEFAULT_MAX_CHARS, LEAST_CHARS, ToolSession
from .spec import ToolError, ToolResult, ToolSpec


class SessionOptions(TypedDict, total=False):
    """What a session can be given by name; `Toolkit` says what each is."""

    base_url: str | None
    mailbox: str | None
    policy: PolicyName | TrustPolicy
    store: SessionStore | None
    on_decision: Observer | None
    max_chars: int
    session: str | None
    timeout: float | httpx.Timeout | None
    retry: Retry | None
    client: MultiMail | None
    async_client: AsyncMultiMail | None


class ToolkitOptions(SessionOptions, total=False):
    """What every toolkit, of every framework, can be given by name."""

    include: Iterable[str] | None
    exclude: Iterable[str] | None


class Toolkit:
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The only mailbox that the tools use; default `MULTIMAIL_MAILBOX`, else any.
        policy: What messages may cause: `standard`, `strict` or `off`, or a `TrustPolicy` that
            also names whom the operator vouches for.
        store: Where the guard remembers taint and recipients; default the process's memory,
            which all toolkits share. Conversations that go on in another process need one that
            both share.
        on_decision: Is called with every `GuardDecision`.
        include: Only these tools, by name.
        exclude: All but these tools, by name.
        max_chars: The most characters of any result's text, at least `least_chars` (1,000).
        session: An id for conversations that the framework gives none to; default a new one.
        timeout: Seconds for each request.
        retry: How often and how long to try again.
        client: A client to use, which stays yours to close.
        async_client: The same for async calls, for one event loop.

    Raises:
        ConfigurationError: No key, an unusable URL, or a tool name that does not exist.
    """

    catalogue: ClassVar[tuple[ToolSpec, ...]] = AGENT_TOOLS
    least_chars: ClassVar[int] = LEAST_CHARS
    """The smallest `max_chars`; a framework whose results need more room says so."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **options: Unpack[SessionOptions],
    ) -> None:
        self.specs = select(self.catalogue, include, exclude)
        self._by_name = {spec.name: spec for spec in self.specs}
        if options.get("max_chars", DEFAULT_MAX_CHARS) < self.least_chars:
            raise ConfigurationError(f"max_chars must be at least {self.least_chars:,} here.")
        self.session = ToolSession(api_key, **options)

    def __repr__(self) -> str:
        names = ", ".join(spec.name for spec in self.specs)
        return f"{type(self).__name__}({names}; {self.session!r})"

    def spec(self, name: str) -> ToolSpec:
        """Return the tool of that name.

        Raises:
            ConfigurationError: This toolkit has none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise ConfigurationError(
                f"This toolkit has no tool {name!r}. It has: {_names(self.specs)}."
            ) from None

    def call(
        self, name: str, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool as a model called it; a name that does not exist is an error in the result.

        Args:
            name: The tool's name.
            arguments: What the model said, unchecked; as JSON text too, as models' APIs give it.
            session_id: The conversation; default the session's.

        Returns:
            The result, its text within the budget.
        """
        spec = self._by_name.get(name)
        if spec is None:
            return self._no_such(name)
        return self.session.call(spec, arguments, session_id=session_id)

    async def acall(
        self, name: str, arguments: Mapping[str, Any] | str, *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool by name, asynchronously; otherwise as `call`."""
        spec = self._by_name.get(name)
        if spec is None:
            return self._no_such(name)
        return await self.session.acall(spec, arguments, session_id=session_id)

    def _no_such(self, name: str) -> ToolResult:
        step = f"Nothing was done. There are: {_names(self.specs)}."
        error = ToolError("no_such_tool", f"There is no tool {name!r:.80}", next_step=step)
        return ToolResult.failure(error)

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to these addresses; see `ToolSession.declare_recipients`."""
        self.session.declare_recipients(addresses, session_id=session_id)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint; see `ToolSession.reset`."""
        self.session.reset(session_id)

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self.session.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        await self.session.aclose()


class ApproverToolkit(Toolkit):
    """The reviewer's tools: see what awaits a decision, read it, decide.

    Takes the same arguments as `Toolkit`. Its key needs the scopes `read` and `oversight`; a key
    that can also send is refused at the first call.
    """

    catalogue = APPROVER_TOOLS


def select(
    catalogue: Iterable[ToolSpec], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> tuple[ToolSpec, ...]:
    """Choose tools by name.

    Raises:
        ConfigurationError: A name is not in the catalogue, or nothing is left.
    """
    every = tuple(catalogue)
    wanted = _checked(include, every, "include")
    unwanted = _checked(exclude, every, "exclude") or set()
    chosen = tuple(
        one for one in every if (wanted is None or one.name in wanted) and one.name not in unwanted
    )
    if not chosen:
        raise ConfigurationError("include and exclude leave no tool.")
    return chosen


def _checked(
    names: Iterable[str] | None, catalogue: tuple[ToolSpec, ...], argument: str
) -> set[str] | None:
    if names is None:
        return None
    given = {names} if isinstance(names, str) else set(names)
    unknown = given - {one.name for one in catalogue}
    if unknown:
        raise ConfigurationError(
            f"{argument}: no tool {', '.join(sorted(unknown))}. There are: {_names(catalogue)}."
        )
    return given


def _names(specs: Iterable[ToolSpec]) -> str:
    return ", ".join(one.name for one in specs)
