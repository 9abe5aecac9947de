"""Tool specifications and results: the two types that every integration converts."""

from __future__ import annotations

import base64
import copy
import functools
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from .. import errors
from .._call import Call, Operation, Pause
from ..models import File
from ..trust import GuardDecision
from ._arguments import is_blank, read_arguments

if TYPE_CHECKING:
    from ._context import ToolContext

T = TypeVar("T")

Access: TypeAlias = Literal["read", "write", "approve"]
SchemaForm: TypeAlias = Literal["short", "nullable", "strict"]


class ToolArgs(BaseModel):
    """Base of every tool's arguments. Unknown arguments are errors, so that none is ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        return read_arguments(cls, given) if isinstance(given, Mapping) else given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Write `null` into an argument's list of types, which is shorter than `anyOf`."""
        schema = handler.resolve_ref_schema(handler(core))
        arguments = schema.get("properties", {})
        schema["properties"] = {name: _merge_null(shape) for name, shape in arguments.items()}
        return schema


class OpenArgs(BaseModel):
    """Base of the models that frameworks get: they take what a model wrote, as it is.

    A framework that checks arguments itself would answer in its own words and before the tool,
    which knows what the model meant, what may be left out, and whether it failed like that before.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)
    json_schema: ClassVar[dict[str, Any]]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema of the arguments as they are checked."""
        del core, handler
        return copy.deepcopy(cls.json_schema)


class ToolData(BaseModel):
    """Base of the results' models; a result may hold more than its model describes."""

    model_config = ConfigDict(extra="allow", defer_build=True)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a framework may assume of a tool: the tool annotations of the Model Context Protocol.

    Attributes:
        read_only: It changes nothing.
        destructive: Its effect cannot be undone.
        idempotent: Calling it twice has the same effect as calling it once.
        open_world: It reaches people outside.
    """

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = True
    open_world: bool = False


READ_ONLY = Hints(read_only=True)


@dataclass(frozen=True, slots=True)
class ToolError:
    """Why a tool call failed.

    Attributes:
        code: A machine-readable word.
        message: What happened, to what.
        retryable: Whether the same call may succeed later.
        next_step: What to do next, one sentence.
        about: The arguments that it is about.
    """

    code: str
    message: str
    retryable: bool = False
    next_step: str = ""
    about: tuple[str, ...] = ()

    @classmethod
    def from_exception(cls, error: errors.MultiMailError) -> ToolError:
        """Return an error of the client as a tool's error."""
        unknown = isinstance(error, errors.OutcomeUnknownError)
        transient = isinstance(
            error, errors.RateLimitError | errors.ServerError | errors.NetworkError
        )
        step = UNKNOWN_OUTCOME if unknown else error.advice
        transient = transient and not unknown and not getattr(error, "is_final", False)
        return cls(error.code, error.message, transient, step)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-serializable data."""
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
    """The result of a tool call.

    Attributes:
        text: For the model, at most the session's `max_chars` characters.
        data: The same facts for code, JSON-serializable.
        decision: The guard's decision; None for a tool that needs none.
        error: Why it failed; None where it succeeded.
        files: Downloaded files, for code and never for the model.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    decision: GuardDecision | None = None
    error: ToolError | None = None
    files: tuple[File, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.error is None

    @classmethod
    def failure(cls, error: ToolError, decision: GuardDecision | None = None) -> ToolResult:
        """Return the result of a call that failed and changed nothing."""
        sentence = error.message if error.message.endswith((".", "!", "?")) else error.message + "."
        text = f"Error ({error.code}): {sentence}"
        if error.next_step:
            text = f"{text} {error.next_step}"
        return cls(text, {"error": error.as_data()}, decision, error)

    def as_data(self) -> dict[str, Any]:
        """Return data and decision as JSON-serializable data, without files, for logs."""
        facts = dict(self.data)
        if self.decision is not None:
            facts["decision"] = self.decision.as_data()
        return facts

    def as_artifact(self) -> dict[str, Any]:
        """Return `as_data` with the files as base64 under `files`, for a framework's artifacts."""
        facts = self.as_data()
        if self.files:
            facts["files"] = [
                {
                    "name": file.name,
                    "content_type": file.content_type,
                    "content_base64": base64.b64encode(file.content).decode("ascii"),
                }
                for file in self.files
            ]
        return facts

    def safe_facts(self) -> dict[str, Any]:
        """Return the facts that the API sets, such as ids and statuses, and never a sender."""
        return {name: self.data[name] for name in SAFE_FACTS if self.data.get(name) is not None}

    def as_json(self, max_chars: int | None = None) -> str:
        """Return JSON for a model: `ok`, the text and `safe_facts`.

        Args:
            max_chars: The most characters; a text that is too long is cut.
        """
        facts = self.safe_facts()
        whole = json.dumps({"ok": self.ok, **facts, "text": self.text}, ensure_ascii=False)
        if max_chars is None or len(whole) <= max_chars:
            return whole
        cut = self.text[: -(len(whole) - max_chars + 10)] + " […cut]"
        return json.dumps({"ok": self.ok, **facts, "text": cut}, ensure_ascii=False)


Steps: TypeAlias = Generator[Call[Any] | Pause, Any, T]
"""The generator of an operation: it yields API calls and pauses, and returns a value."""
ToolRun: TypeAlias = Steps[ToolResult]

SAFE_FACTS = (
    *("id", "thread_id", "status", "held", "duplicate", "decision"),
    *("cursor", "next_offset", "before"),
)
"""The facts of a result that the API sets, and never a sender."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool, independent of any framework.

    Attributes:
        name: The name that a model calls.
        title: A name for people.
        description: What the model reads: what it does, what it returns, what not to do.
        args: The model of its arguments; the source of the JSON schema.
        access: What an API key must be allowed for it.
        hints: What a framework may assume.
        operation: Runs it: yields calls, returns the result.
        data: The model of its results' `data`.
        needs: The client's operation that not every server has; empty for one that all have.
    """

    name: str
    title: str
    description: str
    args: type[ToolArgs]
    access: Access
    hints: Hints
    operation: Callable[[Any, ToolContext], Operation[ToolResult]] = field(repr=False)
    data: type[ToolData]
    needs: str = ""

    def build_open_args(self, form: SchemaForm = "short") -> type[BaseModel]:
        """Return a model of the arguments for frameworks that check them before the tool does.

        It has their names and their JSON schema, and takes any value: the tool answers what is
        wrong with it.

        Args:
            form: Of the JSON schema; see `schema`.
        """
        return _build_open_args(self, form)

    def schema(self, form: SchemaForm = "short") -> dict[str, Any]:
        """Return the JSON schema of the arguments, without limits, which the tool checks.

        Args:
            form: How an optional argument is written. `short`: it is not in `required`, and its
                type has no `null`, which is accepted nevertheless. `nullable`: its type has `null`
                too, for a framework that may make each argument required. `strict`: it is also in
                `required`, as OpenAI's strict mode has it.
        """
        schema = self.args.model_json_schema()
        schema.pop("description", None)
        plain = {"type": "object", "properties": {}, **_drop_titles(schema)}
        shapes = {name: _drop_default(shape) for name, shape in plain["properties"].items()}
        if form == "short":
            shapes = {name: _drop_null(shape) for name, shape in shapes.items()}
        plain["properties"] = shapes
        if form == "strict":
            plain["required"] = list(shapes)
        return plain

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a result as an object: `ok`, `text` and the facts of `data`."""
        schema = self.data.model_json_schema()
        schema.pop("description", None)
        plain = _drop_titles(schema)
        common = {"ok": {"type": "boolean"}, "text": {"type": "string"}}
        plain["properties"] = {**common, **plain.get("properties", {})}
        plain["required"] = ["ok", "text"]
        return plain

    def describe_output(self) -> str:
        """Return the keys of a result as one line: `{ok, text, emails: [{id, …}], cursor}`."""
        schema = self.output_schema()
        return _outline(schema, schema.get("$defs", {}))

    def read_text(self, given: str | dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call that may be one text, as older agent loops write it.

        Args:
            given: The arguments; JSON of an object that names only arguments of this tool; or the
                value of the first argument. A blank text is no argument.
        """
        if not isinstance(given, str):
            return given
        if is_blank(given):
            return {}
        names = list(self.args.model_fields)
        parsed = _parse_object(given)
        if parsed is not None and parsed.keys() <= set(names):
            return parsed
        return {names[0]: given}

    def list_optional(self) -> list[str]:
        """Return the names of the arguments that may be left out."""
        fields = self.args.model_fields.items()
        return [name for name, field in fields if not field.is_required()]

    def explain_invalid(self, error: ValidationError) -> ToolError:
        """Return the tool's error for arguments that do not validate."""
        known = ", ".join(self.args.model_fields) or "none"
        rows = error.errors()[:5]
        faults = [_explain_fault(row["type"], row["loc"], row["msg"]) for row in rows]
        about = dict.fromkeys(str(row["loc"][0]) for row in rows if row["loc"])
        hint = self.explain_optional(tuple(about))
        return ToolError(
            "invalid_arguments",
            f"{self.name}: {'; '.join(faults)}",
            next_step=f"Nothing was done. Correct it and call again; its arguments are: {known}."
            f" {hint}".rstrip(),
            about=tuple(about),
        )

    def explain_optional(self, about: Sequence[str]) -> str:
        """Return the sentence that those of the arguments which are optional can be left out."""
        names = [name for name in self.list_optional() if name in about]
        return f"{' and '.join(names)} can be left out." if names else ""


def _outline(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the keys in a schema; empty where it has none."""
    if "$ref" in schema:
        return _outline(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if schema.get("type") == "array":
        return f"[{_outline(schema['items'], definitions)}]"
    if schema.get("type") != "object":
        return ""
    keys = [
        f"{name}: {inner}" if (inner := _outline(shape, definitions)) else name
        for name, shape in schema.get("properties", {}).items()
    ]
    return f"{{{', '.join(keys)}}}"


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(text.strip().strip("`").removeprefix("json"))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


@functools.cache
def _build_open_args(spec: ToolSpec, form: SchemaForm) -> type[OpenArgs]:
    fields: dict[str, Any] = {
        name: (Any, Field(default=None, description=field.description))
        for name, field in spec.args.model_fields.items()
    }
    name = spec.args.__name__
    model = create_model(name, __base__=OpenArgs, __doc__=spec.args.__doc__, **fields)
    model.json_schema = spec.schema(form)
    return model


def _merge_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with `anyOf` one type or `null` written as a list of two types."""
    plain = {name: value for name, value in shape.items() if name not in _LIMITS}
    choices = [choice for choice in plain.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) != 1 or len(shape["anyOf"]) != 2:
        return plain
    del plain["anyOf"]
    choice = {name: value for name, value in choices[0].items() if name not in _LIMITS}
    merged = {**choice, "type": [choice["type"], "null"]}
    if "enum" in merged:
        merged["enum"] = [*merged["enum"], None]
    return {**merged, **plain}


_LIMITS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern", "format"}
)
"""Keywords that no schema has: makers of models refuse some of them, and the tool checks them."""


def _drop_default(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return an argument's schema without a default of `null`."""
    return {name: value for name, value in shape.items() if name != "default" or value is not None}


def _drop_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return an argument's schema without `null` as a type or a choice."""
    plain = dict(shape)
    if isinstance(plain["type"], list):
        plain["type"] = plain["type"][0]
        if "enum" in plain:
            plain["enum"] = [value for value in plain["enum"] if value is not None]
    return plain


def _drop_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            plain[name] = {field: _drop_titles(inner) for field, inner in value.items()}
        elif isinstance(value, Mapping):
            plain[name] = _drop_titles(value)
        elif name != "title":
            plain[name] = value
    return plain


def _explain_fault(kind: str, where: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in where)[:80] or "arguments"
    if kind == "extra_forbidden":
        return f"{name} is not an argument"
    if kind == "model_type":
        return f"{name}: give an object, with a value for each name"
    said = message.removeprefix("Value error, ")
    return f"{name}: {said[0].lower()}{said[1:200]}"
