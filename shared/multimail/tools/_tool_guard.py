"""The guard for the app's own tools: what mail and other text of others may make them do."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import pydantic

from ..errors import ConfigurationError, MultiMailError
from ..trust import Action, Assessment, GuardDecision
from ..trust.calls import CallFacts, Effect
from ..trust.labels import Label
from ..trust.payment import find_payment_details
from ..trust.targets import (
    MAX_DEPTH,
    Sources,
    contains_words,
    find_targets,
    is_id_key,
    list_words,
    name_id,
    walk,
    walk_keys,
)
from ._context import ToolContext
from ._session import ToolSession
from ._spec import Steps, ToolError, ToolResult
from ._writing import build_refusal

T = TypeVar("T")

Returns: TypeAlias = Literal["untrusted", "trusted", "status"]
ReturnedLabel: TypeAlias = Literal["authenticated", "unauthenticated", "failed"]
Answer: TypeAlias = bool | None
"""Whether a human lets a held call run; None where no human can be asked."""
Approve: TypeAlias = Callable[[str, Mapping[str, Any], GuardDecision], "Answer | Awaitable[Answer]"]
"""Asks a human about a held call: the tool, its arguments, the decision."""

Leaf: TypeAlias = tuple[tuple[str, ...], Any]
"""A value of nested data, below its keys."""

MAX_TEXT_CHARS = 100_000
"""The most characters of the user's words, or of one text of trusted data, that are kept."""
_MAX_VALUES = 5_000
_READING_NAME = re.compile(
    r"(?:get|list|search|read|find|show|look_?up|fetch|count|check|describe|view|load|browse)"
    r"(?:_|(?=[A-Z])|\Z)"
)
_FIELD_NAME = re.compile(r"[\w.-]{1,40}")
# A name such as "get_and_email" or "find_or_create" does not say that the tool only reads.
_WRITING_WORDS = frozenset(
    """
    and or then cancel create delete execute insert modify pay publish purge remove rename
    replace save send submit update write
    """.split()  # noqa: SIM905
)
_CHECKING_OUT = re.compile(r"check_?(?:in|out)(?![a-z])", re.IGNORECASE)


def _require_choice(argument: str, value: object, choices: Collection[str | None]) -> None:
    if value not in choices:
        names = ", ".join(str(choice) for choice in choices if choice is not None)
        raise ConfigurationError(f"ToolPolicy: {argument} {value!r:.80} is not one of {names}.")


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """What one of the app's own tools does, for the guard.

    Attributes:
        effect: `read` changes nothing; `internal` changes the user's own data, such as a note or
            an event without guests; `outside` reaches others, or runs text, such as a command.
            None: `read` if the name begins with a verb such as `get` or `search` and names no
            change beside it (`get_and_delete`), else `outside`.
        returns: `untrusted` if the result holds text that others wrote, such as mail, calendars,
            files and pages: it taints the conversation. `trusted` if only the app or its user
            wrote it, such as their contacts: it supplies targets, and the tool only reads.
            `status` if it is the app's own words, such as "done": it does neither.
        label: How far an untrusted result is believed: `unauthenticated`, or better where the app
            knows who wrote it.
        targets: The arguments, or keys within them, that say what the call acts on. None: by
            name and format (`find_targets`).

    Raises:
        ConfigurationError: A value is not one of these, or a trusted tool writes.
    """

    effect: Literal["read", "internal", "outside"] | None = None
    returns: Returns = "untrusted"
    label: ReturnedLabel = "unauthenticated"
    targets: Collection[str] | None = None

    def __post_init__(self) -> None:
        """Check the values, which a misspelling would disarm, and that they go together."""
        _require_choice("effect", self.effect, (None, *Effect))
        _require_choice("returns", self.returns, get_args(Returns))
        _require_choice("label", self.label, get_args(ReturnedLabel))
        if isinstance(self.targets, str):
            object.__setattr__(self, "targets", (self.targets,))
        if self.returns == "trusted" and self.effect not in (None, "read"):
            raise ConfigurationError(
                "A tool that writes repeats its arguments, so its result supplies no targets.",
                remedy="Pass returns='status', or 'untrusted' where it returns text of others.",
            )

    def get_effect(self, name: str) -> Effect:
        """Return the effect of a tool of that name."""
        if self.effect is not None:
            return Effect(self.effect)
        if self.returns == "trusted":
            return Effect.READ
        reads = _READING_NAME.match(name) and not _says_more(name)
        return Effect.READ if reads else Effect.OUTSIDE


def _says_more(name: str) -> bool:
    return not _WRITING_WORDS.isdisjoint(list_words(name)) or _CHECKING_OUT.match(name) is not None


class CallRefusedError(MultiMailError):
    """The guard did not let a tool run; the text is for the model.

    Attributes:
        decision: The guard's.
    """

    default_code = "refused_by_guard"

    def __init__(self, result: ToolResult, decision: GuardDecision) -> None:
        super().__init__(result.text, code=self.default_code)
        self.decision = decision

    def __str__(self) -> str:
        return self.message


class ToolGuard:
    """Guards an agent's other tools in the same conversation as its mail.

    `toolkit.guarded` puts it around a framework's tools; `call` and `acall` are for a loop of your
    own, or `check` before a call and `record` after it.

    Args:
        session: The toolkit's.
        policies: What each tool does, by name; a tool without one has `ToolPolicy()`.
        approve: Asks a human about a held call. Without it a held call is refused.
    """

    def __init__(
        self,
        session: ToolSession,
        policies: Mapping[str, ToolPolicy] | None = None,
        *,
        approve: Approve | None = None,
    ) -> None:
        self._session = session
        self._policies = _read_policies(policies)
        self._approve = approve

    @property
    def asks(self) -> bool:
        """Whether the app gave it a way to ask a human."""
        return self._approve is not None

    @property
    def policy_names(self) -> list[str]:
        """The names of the tools that have a policy of their own."""
        return list(self._policies)

    def claim(self, question: str, name: str, arguments: Mapping[str, Any]) -> bool:
        """Return whether a question to a human is about this call, or about none so far.

        Args:
            question: What its answer is found by, such as a task of a paused run; it is kept in
                the session's store.
            name: The tool.
            arguments: The model's.
        """
        store = self._session.guard().store
        key = f"question|{question}"
        text = json.dumps([name, _to_plain(arguments)], sort_keys=True, default=str)
        call = hashlib.sha256(text.encode()).hexdigest()
        if store.declared(key) - {call}:
            return False
        store.declare(key, {call})
        return store.declared(key) == {call}

    async def aclaim(self, question: str, name: str, arguments: Mapping[str, Any]) -> bool:
        """Return it without blocking the event loop; otherwise like `claim`."""
        return await self._session.run_off_loop(self.claim, question, name, arguments)

    def check(
        self, name: str, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> GuardDecision:
        """Decide whether a tool may run, without running it.

        Args:
            name: The tool.
            arguments: The model's, nested as JSON is.
            session_id: The conversation, by the framework's own id; default the session's.

        Returns:
            `allow`; `hold`, where a human has to decide; or `refuse`.
        """
        return self._session.run(self._decide(name, arguments), session_id=session_id)

    async def acheck(
        self, name: str, arguments: Mapping[str, Any], *, session_id: str | None = None
    ) -> GuardDecision:
        """Decide asynchronously; otherwise like `check`."""
        return await self._session.arun(self._decide(name, arguments), session_id=session_id)

    def _decide(
        self, name: str, arguments: Mapping[str, Any]
    ) -> Callable[[ToolContext], Steps[GuardDecision]]:
        policy = self._get_policy(name)
        plain = _to_plain(arguments)
        texts = [str(value) for _, value in walk(plain)]
        facts = CallFacts(
            name,
            policy.get_effect(name),
            find_targets(plain, policy.targets, name),
            payments=find_payment_details(*texts),
        )
        return lambda context: context.guard.on_call(facts)

    def record(
        self,
        name: str,
        result: object,
        arguments: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
    ) -> None:
        """Record what a tool returned, before the model is shown it.

        Untrusted text taints the conversation. Trusted data supplies targets, but after untrusted
        text only what was looked up by the user's words; so do the ids of what a call created.

        Args:
            name: The tool.
            result: What it returned: JSON data, models, or text, which may be JSON.
            arguments: Of the call: an id that the model passed is not one that the tool made.
            session_id: The conversation, by the framework's own id; default the session's.
        """
        policy = self._get_policy(name)
        guard = self._session.guard(session_id)
        passed = {str(value) for _, value in walk(_to_plain(arguments))}
        plain = _to_plain(result)
        if policy.returns == "trusted":
            if guard.get_worst_label() is not None:
                plain = _select_rows(plain, passed) if guard.explains(passed) else None
            guard.declare_sources(_list_sources(_list_leaves(plain), name))
            return
        leaves = _list_leaves(plain)
        fetches = any(target.kind.is_request for target in find_targets(_to_plain(arguments) or {}))
        if policy.get_effect(name) is not Effect.READ and not fetches:  # a page makes up any id
            guard.declare_sources(Sources(ids=_list_made(leaves, passed, name)))
        words = [value[:MAX_TEXT_CHARS] for _, value in leaves if isinstance(value, str)]
        # A key that is no name of a field, such as a title, is text of others too.
        keys = islice(walk_keys(plain), _MAX_VALUES)
        words += [key[:MAX_TEXT_CHARS] for key in keys if not _FIELD_NAME.fullmatch(key)]
        if words and policy.returns == "untrusted":
            guard.mark_indexed_shown(Assessment(Label(policy.label)), *words)

    def _record_error(self, name: str, error: Exception, session_id: str | None) -> None:
        """Record what an error may say: text of others, or what the model passed."""
        if self._get_policy(name).returns == "untrusted":
            self.record(name, str(error), session_id=session_id)

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        work: Callable[[], T],
        *,
        session_id: str | None = None,
        approve: Approve | None = None,
    ) -> T:
        """Run a tool if the guard, or a human, lets it run, and record its result.

        Args:
            name: The tool.
            arguments: The model's.
            work: Runs it.
            session_id: The conversation, by the framework's own id; default the session's.
            approve: Asks a human in the framework's own way; default the guard's.

        Raises:
            CallRefusedError: It did not run.
        """
        decision = self.check(name, arguments, session_id=session_id)
        ask = approve or self._approve
        if decision.action is Action.HOLD and ask is not None:
            answer = ask(name, arguments, decision)
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise ConfigurationError(
                    f"approve is asynchronous, and {name} runs synchronously.",
                    remedy="Pass a function that returns a bool, or run the agent asynchronously.",
                )
            _require_approval(answer, name, decision)
        elif decision.action is not Action.ALLOW:
            raise _build_error(name, decision)
        try:
            result = work()
        except Exception as error:
            self._record_error(name, error, session_id)
            raise
        self.record(name, result, arguments, session_id=session_id)
        return result

    async def acall(
        self,
        name: str,
        arguments: Mapping[str, Any],
        work: Callable[[], Awaitable[T]],
        *,
        session_id: str | None = None,
        approve: Approve | None = None,
    ) -> T:
        """Run an asynchronous tool; otherwise like `call`."""
        decision = await self.acheck(name, arguments, session_id=session_id)
        ask = approve or self._approve
        if decision.action is Action.HOLD and ask is not None:
            answer = ask(name, arguments, decision)
            _require_approval(
                await answer if inspect.isawaitable(answer) else answer, name, decision
            )
        elif decision.action is not Action.ALLOW:
            raise _build_error(name, decision)
        try:
            result = await work()
        except Exception as error:
            await self._session.run_off_loop(self._record_error, name, error, session_id)
            raise
        record = partial(self.record, session_id=session_id)
        await self._session.run_off_loop(record, name, result, arguments)
        return result

    def _get_policy(self, name: str) -> ToolPolicy:
        return self._policies.get(name, _DEFAULT_POLICY)

    def require_names(self, names: Collection[str]) -> None:
        """Check that every policy is for one of these tools.

        Raises:
            ConfigurationError: A policy names another tool.
        """
        unknown = sorted(set(self._policies) - set(names))
        if unknown:
            raise ConfigurationError(
                f"policies: there is no tool {', '.join(unknown)}.",
                remedy=f"The tools are: {', '.join(sorted(names))}.",
            )


_DEFAULT_POLICY = ToolPolicy()


def _read_policies(policies: object) -> dict[str, ToolPolicy]:
    """Return policies by tool.

    Raises:
        ConfigurationError: They are not a mapping, or a value is not a `ToolPolicy`.
    """
    by_name = {} if policies is None else policies
    if not isinstance(by_name, Mapping):
        by_name = {"": by_name}
    for name, policy in by_name.items():
        if not isinstance(policy, ToolPolicy):
            where = f"the policy of {name}" if name else "policies"
            raise ConfigurationError(
                f"{where} is a {type(policy).__name__}.",
                remedy="Pass a ToolPolicy for the name of each tool: "
                "{'refund': ToolPolicy('outside', 'status')}.",
            )
    return dict(by_name)


def _require_approval(answer: object, name: str, decision: GuardDecision) -> None:
    if answer is None:
        raise _build_error(name, decision)
    if answer is not True:
        error = ToolError(
            "rejected",
            f"{name} was not run: a person said no",
            next_step="Do not try it in another way; tell the user instead.",
        )
        raise CallRefusedError(ToolResult.failure(error, decision), decision)


def _build_error(name: str, decision: GuardDecision) -> CallRefusedError:
    return CallRefusedError(build_refusal(f"{name} was not run", decision), decision)


def _list_leaves(plain: Any) -> list[Leaf]:
    return list(islice(walk(plain), _MAX_VALUES))


def _select_rows(plain: Any, passed: Iterable[str]) -> list[Any]:
    """Return the rows of a result that hold each word of the search: others matched a part."""
    rows = plain if isinstance(plain, list) else [plain]
    texts = [" ".join(str(value) for _, value in walk(row)) for row in rows]
    pairs = zip(rows, texts, strict=True)
    return [row for row, text in pairs if all(contains_words(text, words) for words in passed)]


def _list_sources(leaves: Iterable[Leaf], tool: str) -> Sources:
    texts = [value[:MAX_TEXT_CHARS] for _, value in leaves if isinstance(value, str)]
    ids = [name_id(value, keys[-1], tool) for keys, value in leaves if is_id_key(keys[-1])]
    return Sources(texts, ids)


def _list_made(leaves: Iterable[Leaf], passed: Collection[str], tool: str) -> list[str]:
    """Return the ids of what a call made: the outermost of its result, and none that it got."""
    found = [leaf for leaf in leaves if is_id_key(leaf[0][-1])]
    outermost = min((len(keys) for keys, _ in found), default=0)
    made = ((keys, value) for keys, value in found if len(keys) == outermost)
    return [name_id(value, keys[-1], tool) for keys, value in made if str(value) not in passed]


def _to_plain(data: object, depth: int = MAX_DEPTH) -> Any:
    """Return data as JSON has it; text that is JSON is decoded."""
    if not depth or data is None or isinstance(data, bool | int | float):
        return data
    if isinstance(data, str):
        return _decode(data)
    if isinstance(data, pydantic.BaseModel):
        return _to_plain(data.model_dump(), depth)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return _to_plain(dataclasses.asdict(data), depth)
    if isinstance(data, Mapping):
        return {str(key): _to_plain(value, depth - 1) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [_to_plain(value, depth - 1) for value in data]
    return str(data)


def _decode(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
