"""What a tool is, and what it answers: the two shapes that every integration translates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema

from .. import errors
from .._call import Operation
from ..models import File
from ..trust import GuardDecision

if TYPE_CHECKING:
    from .context import ToolContext

Access: TypeAlias = Literal["read", "write", "approve"]


class ToolArgs(BaseModel):
    """Base of every tool's arguments. Unknown arguments are errors, so that none is lost."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say `null` beside an argument's type and not as a choice of its own: it is shorter."""
        schema = handler.resolve_ref_schema(handler(core))
        arguments = schema.get("properties", {})
        schema["properties"] = {name: _beside_null(shape) for name, shape in arguments.items()}
        return schema


class ToolData(BaseModel):
    """Base of the shapes of results; a result may hold more than its shape says."""

    model_config = ConfigDict(extra="allow", defer_build=True)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a framework may assume of a tool, in the words of the Model Context Protocol.

    Attributes:
        read_only: It changes nothing.
        destructive: What it does cannot be taken back.
        idempotent: Doing it twice is the same as doing it once.
        open_world: It reaches people outside.
    """

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = True
    open_world: bool = False


READS = Hints(read_only=True)


@dataclass(frozen=True, slots=True)
class ToolError:
    """Why a tool did not do what was asked.

    Attributes:
        code: A machine-readable word.
        message: What happened, to what.
        retryable: Whether the same call may succeed later.
        next_step: What to do now, one sentence.
    """

    code: str
    message: str
    retryable: bool = False
    next_step: str = ""

    @classmethod
    def of(cls, error: errors.MultiMailError) -> ToolError:
        """Describe an error of the client."""
        unknown = isinstance(error, errors.OutcomeUnknownError)
        passing = isinstance(
            error, errors.RateLimitError | errors.ServerError | errors.NetworkError
        )
        step = UNKNOWN_OUTCOME if unknown else error.advice
        return cls(error.code, error.message, passing and not unknown, step)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "next_step": self.next_step,
        }


UNKNOWN_OUTCOME = (
    "It is unknown whether this happened. Check with get_thread or list_pending first; calling "
    "again with exactly the same arguments is safe and will not do it twice."
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answers.

    Attributes:
        text: For the model, at most the session's `max_chars` characters.
        data: The facts, JSON-able, for code.
        decision: The guard's decision, where it was asked.
        error: Why it did not work, or None.
        files: Bytes that came with it, for code and never for the model.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    decision: GuardDecision | None = None
    error: ToolError | None = None
    files: tuple[File, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the tool did what was asked."""
        return self.error is None

    @classmethod
    def failure(cls, error: ToolError, decision: GuardDecision | None = None) -> ToolResult:
        """Return the result that says why nothing was done."""
        sentence = error.message if error.message.endswith((".", "!", "?")) else error.message + "."
        text = f"Error ({error.code}): {sentence}"
        if error.next_step:
            text = f"{text} {error.next_step}"
        return cls(text, {"error": error.as_data()}, decision, error)

    def as_data(self) -> dict[str, Any]:
        """Return all of it but the files' bytes as JSON-able data, for logs and artifacts."""
        facts = dict(self.data)
        if self.decision is not None:
            facts["decision"] = self.decision.as_data()
        return facts

    def own_facts(self) -> dict[str, Any]:
        """Return the ids and states of the facts: the API's words and never a sender's."""
        return {name: self.data[name] for name in OWN_WORDS if self.data.get(name) is not None}

    def as_json(self, longest: int | None = None) -> str:
        """Return JSON for a model: the text, and the ids and states that stand in it.

        Args:
            longest: The most characters; a text that is too long for it is cut.
        """
        facts = self.own_facts()
        whole = json.dumps({"ok": self.ok, **facts, "text": self.text}, ensure_ascii=False)
        if longest is None or len(whole) <= longest:
            return whole
        cut = self.text[: -(len(whole) - longest + 10)] + " […cut]"
        return json.dumps({"ok": self.ok, **facts, "text": cut}, ensure_ascii=False)


OWN_WORDS = (
    *("id", "thread_id", "status", "held", "duplicate", "decision"),
    *("cursor", "next_offset", "before"),
)
"""Facts that are the API's words and never a sender's."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool, before any framework.

    Attributes:
        name: The verb that a model calls.
        title: The same for people.
        description: What the model reads: what it does, what comes back, what not to do.
        args: The arguments; the single source of the JSON schema.
        access: What a key must be allowed for it.
        hints: What a framework may assume.
        operation: Does it: yields calls, returns the result.
        data: The shape of its results' `data`.
    """

    name: str
    title: str
    description: str
    args: type[ToolArgs]
    access: Access
    hints: Hints
    operation: Callable[[Any, ToolContext], Operation[ToolResult]] = field(repr=False)
    data: type[ToolData]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments, as short as it can be said.

        An argument that may be left out is one that is not in `required`: its type is said
        without `null`, which is accepted all the same, and without a default of `null`.
        """
        schema = self.args.model_json_schema()
        schema.pop("description", None)
        plain = {"type": "object", "properties": {}, **_untitled(schema)}
        plain["properties"] = {name: _given(one) for name, one in plain["properties"].items()}
        return plain

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a result as one object: `ok`, `text`, and what `data` holds."""
        schema = self.data.model_json_schema()
        schema.pop("description", None)
        plain = _untitled(schema)
        common = {"ok": {"type": "boolean"}, "text": {"type": "string"}}
        plain["properties"] = {**common, **plain.get("properties", {})}
        plain["required"] = ["ok", "text"]
        return plain


def _beside_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with the types of `anyOf` in one list, where the other one is `null`."""
    choices = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) != 1 or len(shape["anyOf"]) != 2:
        return dict(shape)
    plain = {name: value for name, value in shape.items() if name != "anyOf"}
    given = {**choices[0], "type": [choices[0]["type"], "null"]}
    if "enum" in given:
        given["enum"] = [*given["enum"], None]
    return {**given, **plain}


def _given(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return an argument's schema where it is given: the one choice that is not `null`."""
    plain = dict(shape)
    if plain.get("default", ...) is None:
        del plain["default"]
    if isinstance(plain["type"], list):
        plain["type"] = plain["type"][0]
        if "enum" in plain:
            plain["enum"] = [one for one in plain["enum"] if one is not None]
    return plain


def _untitled(schema: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            plain[name] = {field: _untitled(inner) for field, inner in value.items()}
        elif isinstance(value, Mapping):
            plain[name] = _untitled(value)
        elif name != "title":
            plain[name] = value
    return plain


def argument_error(spec: ToolSpec, error: ValidationError) -> ToolError:
    """Say what is wrong with the arguments of a call, and what they should be."""
    known = ", ".join(spec.args.model_fields) or "none"
    faults = [_fault(one["type"], one["loc"], one["msg"]) for one in error.errors()[:5]]
    return ToolError(
        "invalid_arguments",
        f"{spec.name}: {'; '.join(faults)}",
        next_step=f"Nothing was done. Correct it and call again; its arguments are: {known}.",
    )


def _fault(kind: str, where: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in where)[:80] or "arguments"
    if kind == "extra_forbidden":
        return f"{name} is not an argument"
    return f"{name}: {message[0].lower()}{message[1:200]}"
