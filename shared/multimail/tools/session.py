"""The tool session: runs any tool, in either colour, with one client, policy and output budget."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pydantic

from .. import endpoints as api
from ..call import Call, Operation, Pause, Retry
from ..client import AsyncMultiMail, MultiMail
from ..config import load_config
from ..errors import ConfigurationError, MultiMailError, PermissionDeniedError, ReplyError
from ..mailbox_book import MailboxBook
from ..models import Mailbox
from ..trust import PolicyName, TrustPolicy
from .spec import UNKNOWN_OUTCOME, ToolError, ToolResult, ToolSpec, argument_error

log = logging.getLogger("multimail.tools")

DEFAULT_MAX_CHARS = 8000
LEAST_CHARS = 1000
_SEEN = 1024
_JSON_FACTS = 200


class SeenContent:
    """How much of which message each session was shown, so that none decides unseen."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[str, str], tuple[str, int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def note(
        self, where: tuple[str, str], content_hash: str, start: int, end: int, total: int
    ) -> None:
        """Remember what was shown. Only what goes on where the last piece ended counts.

        Args:
            where: Session id and email id.
            content_hash: Of what; empty where the API gives none.
            start: Where the piece starts, in characters.
            end: Where it ends.
            total: How long the whole is.
        """
        with self._lock:
            known_hash, reached, known_total = self._read.get(where, ("", 0, -1))
            if (known_hash, known_total) != (content_hash, total):
                reached = 0
            if start <= reached:
                reached = max(reached, end)
            self._read[where] = (content_hash, reached, total)
            self._read.move_to_end(where)
            while len(self._read) > _SEEN:
                self._read.popitem(last=False)

    def of(self, session_id: str, email_id: str) -> str | None:
        """Return the hash of what was shown to its end, or None if it was not."""
        with self._lock:
            content_hash, reached, total = self._read.get((session_id, email_id), ("", 0, 1))
        return content_hash if reached >= total else None


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What an operation may know of its surroundings.

    Attributes:
        session_id: The conversation that it serves.
        policy: What messages may cause.
        max_chars: The most characters that its text may have.
        pinned: The only mailbox that it may use, by address or id; None for any of the key's.
        book: The client's knowledge of mailboxes.
        seen: What was shown of pending messages.
        vetted: Set once the key was found fit for what these tools do.
    """

    session_id: str
    policy: TrustPolicy
    max_chars: int
    pinned: str | None = None
    book: MailboxBook = field(default_factory=MailboxBook)
    seen: SeenContent = field(default_factory=SeenContent)
    vetted: threading.Event = field(default_factory=threading.Event)

    def mailbox(
        self, wanted: str | None, *, fresh: bool = False
    ) -> Generator[Call[Any] | Pause, Any, Mailbox]:
        """Return the mailbox to use.

        Args:
            wanted: What the model named, by address or id; None for the default.
            fresh: Ask the API even where the answer is known, for its current mode.

        Raises:
            PermissionDeniedError: The session is pinned to another mailbox.
            NotFoundError: The key has no such mailbox.
            ConfigurationError: There are several and nobody said which.
        """
        found = None if fresh else self.book.find(wanted or self.pinned)
        if found is None:
            self.book.learn((yield from api.list_mailboxes()))
            found = self.book.find(wanted or self.pinned)
        if found is None:
            raise self.book.missing(wanted or self.pinned)
        if self.pinned and self.pinned.casefold() not in (
            found.id.casefold(),
            found.address.casefold(),
        ):
            raise PermissionDeniedError(
                f"These tools work on the mailbox {self.pinned} only, not on {wanted}.",
                code="other_mailbox",
                remedy="Leave the mailbox out.",
            )
        return found


class ToolSession:
    """Runs tools for agents: binds the API, one default mailbox, the policy and the budget.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The only mailbox that the tools use; default `MULTIMAIL_MAILBOX`, else any.
        policy: `standard`, `strict` or `off`.
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
        policy: PolicyName = "standard",
        max_chars: int = DEFAULT_MAX_CHARS,
        session: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        client: MultiMail | None = None,
        async_client: AsyncMultiMail | None = None,
    ) -> None:
        if max_chars < LEAST_CHARS:
            raise ConfigurationError(f"max_chars must be at least {LEAST_CHARS:,}.")
        if policy not in ("strict", "standard", "off"):
            raise ConfigurationError(f"policy {policy!r} is none of strict, standard, off.")
        given = client or async_client
        self._config = given.config if given else load_config(api_key, base_url, mailbox)
        self._options: dict[str, Any] = {"timeout": timeout, "retry": retry}
        self._given, self._given_async = client, async_client
        self._own: MultiMail | None = None
        self._by_loop: weakref.WeakKeyDictionary[Any, AsyncMultiMail] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self._session_id = session or f"toolkit-{secrets.token_hex(8)}"
        self._context = ToolContext(
            session_id=self._session_id,
            policy=TrustPolicy(policy),
            max_chars=max_chars,
            pinned=mailbox or self._config.mailbox,
        )
        if policy == "off":
            log.warning("The trust policy is off: spoofed mail is not told apart.")

    def __repr__(self) -> str:
        where = f"base_url={self._config.base_url!r}, mailbox={self._context.pinned!r}"
        return f"ToolSession({where}, policy={self._context.policy.name!r})"

    def call(
        self, spec: ToolSpec, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool. What goes wrong is in the result; it does not raise.

        Args:
            spec: The tool.
            arguments: What the model said, unchecked.
            session_id: The conversation, by the framework's own id; default the session's.

        Returns:
            The result, its text within the budget.
        """
        return self._call(spec, arguments, session_id, self._context.max_chars)

    async def acall(
        self, spec: ToolSpec, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> ToolResult:
        """Run a tool, asynchronously; otherwise as `call`."""
        return await self._acall(spec, arguments, session_id, self._context.max_chars)

    def call_json(
        self, spec: ToolSpec, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> tuple[ToolResult, str]:
        """Run a tool for a framework whose results are JSON; the JSON is within the budget.

        Returns:
            The result, and its JSON (`ToolResult.as_json`).
        """
        first, second = self._json_rooms(spec)
        result = self._call(spec, arguments, session_id, first)
        if not self._is_final(spec, result):
            result = self._call(spec, arguments, session_id, second)
        return result, result.as_json(self._context.max_chars)

    async def acall_json(
        self, spec: ToolSpec, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> tuple[ToolResult, str]:
        """Run a tool, asynchronously; otherwise as `call_json`."""
        first, second = self._json_rooms(spec)
        result = await self._acall(spec, arguments, session_id, first)
        if not self._is_final(spec, result):
            result = await self._acall(spec, arguments, session_id, second)
        return result, result.as_json(self._context.max_chars)

    def _is_final(self, spec: ToolSpec, result: ToolResult) -> bool:
        return len(result.as_json()) <= self._context.max_chars or spec.access == "write"

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
        arguments: Mapping[str, Any],
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._sync()
            operation = self._operation(spec, arguments, session_id, client.mailboxes, max_chars)
            return _fitted(client.run(operation), max_chars)
        except Exception as error:
            return _fitted(_failure(spec, error), max_chars)

    async def _acall(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        session_id: str | None,
        max_chars: int,
    ) -> ToolResult:
        try:
            client = self._async()
            operation = self._operation(spec, arguments, session_id, client.mailboxes, max_chars)
            return _fitted(await client.run(operation), max_chars)
        except Exception as error:
            return _fitted(_failure(spec, error), max_chars)

    def _operation(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | None,
        session_id: str | None,
        book: MailboxBook,
        max_chars: int,
    ) -> Operation[ToolResult]:
        given = dict(arguments) if isinstance(arguments, Mapping) else arguments
        args = spec.args.model_validate({} if given is None else given)
        context = replace(
            self._context,
            session_id=session_id or self._session_id,
            max_chars=max_chars,
            book=book,
        )
        return spec.operation(args, context)

    def _sync(self) -> MultiMail:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._own is None:
                self._own = MultiMail(**self._connection())
                self._own.mailboxes = self._context.book
            return self._own

    def _async(self) -> AsyncMultiMail:
        if self._given_async is not None:
            return self._given_async
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._by_loop.get(loop)
            if client is None:
                client = AsyncMultiMail(**self._connection())
                client.mailboxes = self._context.book
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
            client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()
        self.close()


def _fitted(result: ToolResult, longest: int) -> ToolResult:
    if len(result.text) <= longest:
        return result
    log.error("A result of %d characters was cut to %d.", len(result.text), longest)
    text = result.text[: longest - 10] + " […cut]"
    return ToolResult(text, result.data, result.decision, result.error, result.files)


def _failure(spec: ToolSpec, error: Exception) -> ToolResult:
    if isinstance(error, ReplyError) and not spec.hints.read_only:
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
