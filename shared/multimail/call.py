"""Calls: one API request described, with the decisions that need no I/O.

A `Call` says what to ask and how to read the answer. An operation is anything whose iteration
yields calls and pauses and returns a value: a single `Call`, or a generator that makes several
with decisions between them. `MultiMail` and `AsyncMultiMail` carry operations out.
"""

from __future__ import annotations

import email.utils
import json
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import httpx
import pydantic
from pydantic_core import from_json

from . import errors

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Params: TypeAlias = dict[str, str | int | bool | None]

_REPEATABLE_STATUS = frozenset({408, 425, 500, 502, 503, 504})
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait between two calls.

    Attributes:
        seconds: How long.
    """

    seconds: float

    def __iter__(self) -> Generator[Pause, Any, None]:
        yield self


class Operation(Protocol[T_co]):
    """Something a client can run: its iteration yields steps and returns the result."""

    def __iter__(self) -> Generator[Call[Any] | Pause, Any, T_co]: ...


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request to the API and how to read its answer. Does no I/O.

    Attributes:
        operation: The verb, for error messages.
        method: HTTP method.
        path: Path below the base URL; `{mailbox}` stands for the mailbox's id.
        read: Makes the result of the decoded JSON (of the bytes, where `raw`).
        params: Query parameters; those that are None are left out.
        json: The JSON body.
        content: A body that is not JSON.
        content_type: The media type of `content`.
        mailbox: Which mailbox, by address or id; None for the client's default.
        about: The email or thread id in the path, by which its mailbox may be known.
        repeatable: Whether doing it twice is the same as doing it once.
        idempotency_key: The key in the body that makes a write repeatable.
        raw: Whether the answer is bytes rather than JSON.
        code_first: Whether a 202 means that the operator has to hand on an approval code.
    """

    operation: str
    method: str
    path: str
    read: Callable[[Any], T]
    params: Params = field(default_factory=dict)
    json: dict[str, Any] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    mailbox: str | None = None
    about: str | None = None
    repeatable: bool = False
    idempotency_key: str | None = None
    raw: bool = False
    code_first: bool = False

    def __iter__(self) -> Generator[Call[Any] | Pause, Any, T]:
        result: T = yield self
        return result

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method not in ("GET", "HEAD")

    @property
    def may_repeat(self) -> bool:
        """Whether a second try cannot do harm."""
        return self.repeatable or not self.writes or self.idempotency_key is not None

    def body(self) -> bytes | None:
        """Return the request's body.

        Raises:
            ValidationError: An argument has no JSON form.
        """
        if self.json is None:
            return self.content
        try:
            text = json.dumps(self.json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return text.encode()
        except (TypeError, ValueError, RecursionError) as fault:
            why = "a lone surrogate" if isinstance(fault, UnicodeError) else str(fault)
            raise errors.ValidationError(
                f"An argument cannot be written as JSON: {why}.", operation=self.operation
            ) from None

    def query(self) -> dict[str, str]:
        """Return the query parameters that are given, as text.

        Raises:
            ValidationError: One of them holds half a character.
        """
        query = {name: _text(value) for name, value in self.params.items() if value is not None}
        for name, value in query.items():
            if not value.isascii() and value != value.encode(errors="replace").decode():
                raise errors.ValidationError(
                    f"{name}: has half a character (a lone surrogate).",
                    code=f"invalid_{name}",
                    operation=self.operation,
                )
        return query

    def result(self, response: httpx.Response, *, unsure: bool = False) -> T:
        """Read the answer.

        Args:
            response: The answer to the last try.
            unsure: Whether a try before it may have been carried out.

        Raises:
            APIError: The status is an error.
            ApprovalRequiredError: Nothing was changed yet; the operator has a code for it.
            OutcomeUnknownError: A write was answered by a 5xx, put off after an unsure try, or
                accepted in words that cannot be read.
            ReplyError: The answer is not readable as what this call expects.
        """
        if not response.is_success:
            raise _refusal(self, response, unsure)
        if self.code_first and response.status_code == 202:
            raise _approval_required(self, response)
        try:
            if self.raw:
                return self.read(response.content)
            return self.read(_json_of(response) if response.content else {})
        except pydantic.ValidationError as fault:
            where = ", ".join(".".join(map(str, e["loc"])) or "body" for e in fault.errors())
            raise self._unreadable(response, f"these fields are not as expected: {where}") from None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as fault:
            raise self._unreadable(response, str(fault)) from None

    def _unreadable(self, response: httpx.Response, why: str) -> errors.MultiMailError:
        kind = response.headers.get("content-type", "no content type")
        message = f"The answer ({response.status_code}, {kind}) could not be read: {why}."
        facts: dict[str, Any] = {
            "status_code": response.status_code,
            "request_id": _request_id(response, None),
            "operation": self.operation,
        }
        if self.writes:
            key = self.idempotency_key
            return errors.OutcomeUnknownError(message, idempotency_key=key, **facts)
        return errors.ReplyError(message, **facts)


def _text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try again.

    Attributes:
        tries: How many times in all, the first included.
        base: Seconds before the first repeat; doubles from there.
        cap: The longest wait of our own, in seconds.
        ceiling: The longest `Retry-After` that is waited for, in seconds; a longer one is raised.
        chance: A source of [0, 1) for the jitter.
    """

    tries: int = 4
    base: float = 0.5
    cap: float = 8.0
    ceiling: float = 30.0
    chance: Callable[[], float] = random.random

    def after_answer(self, call: Call[Any], response: httpx.Response, tried: int) -> float | None:
        """Return the seconds to wait before a repeat, or None to take the answer as it is."""
        refused_unread = response.status_code == 429
        may = refused_unread or (call.may_repeat and response.status_code in _REPEATABLE_STATUS)
        if not may or tried >= self.tries:
            return None
        asked = retry_after(response)
        if asked is None:
            return self._backoff(tried)
        return asked if asked <= self.ceiling else None

    def after_fault(self, call: Call[Any], fault: httpx.RequestError, tried: int) -> float | None:
        """Return the seconds to wait before a repeat, or None to give up."""
        may = call.may_repeat or isinstance(fault, _NEVER_LEFT)
        return self._backoff(tried) if may and tried < self.tries else None

    def _backoff(self, tried: int) -> float:
        longest = min(self.cap, self.base * 2.0 ** min(tried - 1, 64))
        return longest * (0.5 + 0.5 * self.chance())


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110 section 10.2.3), or None."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def may_have_happened(call: Call[Any], outcome: httpx.RequestError | httpx.Response) -> bool:
    """Whether a try that ended so may have changed something without a word about it."""
    if isinstance(outcome, httpx.Response):
        return call.writes and outcome.status_code >= 500
    return call.writes and not isinstance(outcome, _NEVER_LEFT)


def network_error(
    call: Call[Any], fault: httpx.RequestError, tried: int, *, unsure: bool
) -> errors.NetworkError:
    """Say what a transport fault means for this call: nothing happened, or nobody knows.

    Args:
        call: The call that failed.
        fault: What the last try ended with.
        tried: How many tries there were.
        unsure: Whether any of them may have been carried out.
    """
    what = f"{type(fault).__name__} after {tried} {'try' if tried == 1 else 'tries'}"
    if unsure:
        return errors.OutcomeUnknownError(
            f"The request left and no answer came ({what}).",
            operation=call.operation,
            idempotency_key=call.idempotency_key,
        )
    return errors.NetworkError(f"The API did not answer ({what}).", operation=call.operation)


_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.ValidationError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.NotFoundError,
    413: errors.ValidationError,
    422: errors.ValidationError,
}


def _refusal(call: Call[Any], response: httpx.Response, unsure: bool) -> errors.MultiMailError:
    body = _decoded(response)
    status = response.status_code
    facts: dict[str, Any] = {
        "status_code": status,
        "code": _word(body, "code"),
        "request_id": _request_id(response, body),
        "body": body,
        "operation": call.operation,
    }
    message = _word(body, "error", "message", "detail") or f"The API answered {status}."
    if status == 429 and not unsure:
        return errors.RateLimitError(message, retry_after=retry_after(response), **facts)
    if 300 <= status < 400:
        return errors.ReplyError(f"The API answered with a redirect ({status}).", **facts)
    if (status >= 500 and call.writes) or status == 429:
        return errors.OutcomeUnknownError(
            f"{message} ({status})", idempotency_key=call.idempotency_key, **facts
        )
    if status >= 500:
        return errors.ServerError(f"{message} ({status})", **facts)
    return _BY_STATUS.get(status, errors.APIError)(message, **facts)


def _approval_required(call: Call[Any], response: httpx.Response) -> errors.MultiMailError:
    body = _decoded(response)
    return errors.ApprovalRequiredError(
        "Nothing was changed yet: the operator has to approve this first.",
        status_code=response.status_code,
        request_id=_request_id(response, body),
        body=body,
        operation=call.operation,
    )


def _json_of(response: httpx.Response) -> Any:
    """Decode an answer as httpx does, which is asked about all that pydantic's parser refuses."""
    try:
        return from_json(response.content, cache_strings="keys")
    except ValueError:
        return response.json()


def _decoded(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text[:500] or None


def _word(body: Any, *names: str) -> str:
    if not isinstance(body, dict):
        return ""
    return next((body[name] for name in names if isinstance(body.get(name), str)), "")


def _request_id(response: httpx.Response, body: Any) -> str | None:
    header: str | None = response.headers.get("x-request-id")
    return header or _word(body, "request_id") or None
