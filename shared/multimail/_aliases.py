"""Aliases: other names that the product's web pages or the retired SDK (0.1.1) use.

This is the complete list; nothing else has two names.

- Classes: `multimail.Client` and `multimail.MultiMailClient` are `MultiMail`.
- Arguments: those of `ARGUMENT_ALIASES`, in the methods that are `aliased` (see `_methods`).
- Attributes of results: `message_id` is `id`, `created_at` is `received_at`, `body` is `markdown`,
  and `messages` of a page is `items`.

The protocols here say which forms of a call a type checker accepts: every required argument
exactly once, by either name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, overload

from .errors import ValidationError

if TYPE_CHECKING:
    from typing import Unpack

    from .endpoints._arguments import Attachables, Recipients

R_co = TypeVar("R_co", covariant=True)

ARGUMENT_ALIASES = {
    "message_id": "email_id",
    "email_id": "message_id",
    "markdown": "body",
    "from_address": "mailbox",
    "action": "decision",
}
"""Maps an argument that a function doesn't declare to the one that it stands for."""


def resolve_aliases(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments under the names that `function` declares.

    Raises:
        ValidationError: An argument is given under both names, with different values.
    """
    declared = function.__code__.co_varnames[: _count_parameters(function)]
    resolved = {name: value for name, value in kwargs.items() if name in declared}
    resolved_args = dict(zip(declared, args, strict=False))
    for alias, value in kwargs.items():
        if alias in declared:
            continue
        name = ARGUMENT_ALIASES.get(alias, alias)
        other = resolved_args.get(name, resolved.get(name))
        if other is None:
            resolved[name] = value
        elif value is not None and value != other:
            raise ValidationError(
                f"{name}: {name} and {alias} are two names of one argument; give one.",
                code=f"invalid_{name}",
            )
    return resolved


def _count_parameters(function: Callable[..., Any]) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount


class SendOptions(TypedDict, total=False):
    """The optional arguments of `send_email`."""

    from_address: str | None
    mailbox: str | None
    cc: Recipients | None
    bcc: Recipients | None
    attachments: Attachables | None
    send_at: datetime | str | None
    gate_timing: str | None
    metadata: Mapping[str, Any] | None
    oversight_mode: str | None
    daily_caps: Mapping[str, Any] | None
    idempotency_key: str | None


class ReplyOptions(SendOptions, total=False):
    """The optional arguments of `reply_email`."""

    reply_all: bool


class TagOptions(TypedDict, total=False):
    """The optional arguments of `tag_email`."""

    value: str
    tags: Mapping[str, str] | None
    label: str | None
    mailbox: str | None


class DecideOptions(TypedDict, total=False):
    """The optional arguments of `decide_email`."""

    reason: str | None
    content_hash: str | None


class SendEmailMethod(Protocol[R_co]):
    """The forms of `send_email`."""

    @overload
    def __call__(
        self, to: Recipients, subject: str, body: str, **options: Unpack[SendOptions]
    ) -> R_co: ...
    @overload
    def __call__(
        self, to: Recipients, subject: str, *, markdown: str, **options: Unpack[SendOptions]
    ) -> R_co: ...


class ReplyEmailMethod(Protocol[R_co]):
    """The forms of `reply_email`."""

    @overload
    def __call__(self, email_id: str, body: str, **options: Unpack[ReplyOptions]) -> R_co: ...
    @overload
    def __call__(
        self, email_id: str, *, markdown: str, **options: Unpack[ReplyOptions]
    ) -> R_co: ...
    @overload
    def __call__(self, *, message_id: str, body: str, **options: Unpack[ReplyOptions]) -> R_co: ...
    @overload
    def __call__(
        self, *, message_id: str, markdown: str, **options: Unpack[ReplyOptions]
    ) -> R_co: ...


class ReadEmailMethod(Protocol[R_co]):
    """The forms of `read_email`."""

    @overload
    def __call__(
        self, email_id: str, *, mailbox: str | None = None, version: str | None = None
    ) -> R_co: ...
    @overload
    def __call__(
        self, *, message_id: str, mailbox: str | None = None, version: str | None = None
    ) -> R_co: ...


class OneMessage(Protocol[R_co]):
    """The forms of `cancel_message`."""

    @overload
    def __call__(self, email_id: str, *, mailbox: str | None = None) -> R_co: ...
    @overload
    def __call__(self, *, message_id: str, mailbox: str | None = None) -> R_co: ...


class TagEmailMethod(Protocol[R_co]):
    """The forms of `tag_email`."""

    @overload
    def __call__(
        self, email_id: str, tag: str | None = None, **options: Unpack[TagOptions]
    ) -> R_co: ...
    @overload
    def __call__(
        self, *, message_id: str, tag: str | None = None, **options: Unpack[TagOptions]
    ) -> R_co: ...


class DecideEmailMethod(Protocol[R_co]):
    """The forms of `decide_email`."""

    @overload
    def __call__(
        self, message_id: str, decision: str, **options: Unpack[DecideOptions]
    ) -> R_co: ...
    @overload
    def __call__(
        self, message_id: str, *, action: str, **options: Unpack[DecideOptions]
    ) -> R_co: ...
    @overload
    def __call__(
        self, *, email_id: str, decision: str, **options: Unpack[DecideOptions]
    ) -> R_co: ...
    @overload
    def __call__(self, *, email_id: str, action: str, **options: Unpack[DecideOptions]) -> R_co: ...
