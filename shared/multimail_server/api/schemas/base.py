"""What all schemas share: the types of fields, the base of request bodies, and wire times.

A request body is a pydantic model (`…In`). A response is a TypedDict (`…Out`), and beside it stands
the one function that builds it; mypy compares the two, so that what is described is what is sent.
"""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from typing_extensions import TypedDict

from multimail.trust.labels import Label

from ...mail.addresses import find_address_fault, normalize_recipient
from ...mail.quoting import MAX_SUBJECT
from ...oversight import Direction, Mode, State
from ...services.drafts import MAX_RECIPIENTS

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)

MAX_MARKDOWN = 262_144
_LINE_BREAK = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class RequestModel(BaseModel):
    """Base of all request bodies: JSON types are not converted, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True, defer_build=True)


_build_lock = threading.Lock()


def ensure_model_built(model: type[M]) -> type[M]:
    """Return a model whose validator is built, which `defer_build` leaves to its first use.

    Requests run in threads, and pydantic doesn't document a concurrent build as safe.
    """
    if not model.__pydantic_complete__:
        with _build_lock:
            model.model_rebuild()
    return model


def _check_address(text: str) -> str:
    address = normalize_recipient(text)
    problem = find_address_fault(address)
    if problem is not None:
        raise ValueError(f"{text[:80]!r} {problem}")
    return address


def _check_line(text: str) -> str:
    if _LINE_BREAK.search(text):
        raise ValueError("it contains a line break or a control character")
    return text


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    return text


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("its year is out of range") from None


def to_list(value: Any) -> Any:
    """Return a list of one for a string; another value as it is."""
    return [value] if isinstance(value, str) else value


def none_to_empty(value: Any) -> Any:
    """Return an empty list for None, and a list of one for a string."""
    return [] if value is None else to_list(value)


Address = Annotated[
    str, AfterValidator(_check_address), Field(json_schema_extra={"format": "email"})
]
Line = Annotated[str, AfterValidator(_check_line)]
Text = Annotated[str, AfterValidator(_check_text)]
Name = Annotated[Line, Field(max_length=200)]
Subject = Annotated[Line, Field(max_length=MAX_SUBJECT)]
Markdown = Annotated[Text, Field(max_length=MAX_MARKDOWN)]
Recipients = Annotated[
    list[Address], BeforeValidator(none_to_empty), Field(max_length=MAX_RECIPIENTS)
]
AddressList = Annotated[list[Address], BeforeValidator(to_list), Field(max_length=MAX_RECIPIENTS)]
Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
TrustLabel = Annotated[Label | None, Field(strict=False)]
"""The worst trust label of what the writer of a text had read."""
MailboxId = Annotated[str | None, Field(max_length=254)]
ContentHash = Annotated[str, Field(max_length=128)]

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def one_of(*values: str) -> Any:
    """Return an annotation for a string that is one of `values`."""
    return Field(json_schema_extra={"enum": list(values)})


LabelName = Annotated[str, one_of(*Label)]
DirectionName = Annotated[str, one_of(*Direction)]
ModeName = Annotated[str, one_of(*Mode)]
StateName = Annotated[str, one_of(*State)]


def to_wire_time(value: datetime) -> str:
    """Return a time as the wire writes it: ISO 8601 in UTC, to the millisecond, with a Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_optional_time(value: datetime | None) -> str | None:
    """Return the same, or None."""
    return None if value is None else to_wire_time(value)


class RecipientOut(TypedDict):
    """The delivery result of one recipient."""

    address: str
    status: Annotated[
        str,
        one_of("pending", "delivered", "deferred", "refused", "bounced", "suppressed", "not_sent"),
    ]
    code: Annotated[int | None, Field(description="The SMTP reply's.")]
    text: str | None
    enhanced_code: NotRequired[str | None]
    bounce_type: NotRequired[str | None]


class ErrorOut(TypedDict):
    """Every error: what happened, to what, and what to do next."""

    error: str
    code: Annotated[str, Field(description="For programs, in snake_case.")]
    request_id: Annotated[str, Field(description="The request in the server's log.")]
    recipients: NotRequired[
        Annotated[
            list[RecipientOut],
            Field(description="Where all recipients are suppressed: why, for each."),
        ]
    ]


class DeletedOut(TypedDict):
    """What was removed."""

    id: str
    status: Literal["deleted"]


def render_deleted(resource_id: str) -> DeletedOut:
    """Render the response to a deletion."""
    return {"id": resource_id, "status": "deleted"}
