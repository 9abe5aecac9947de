"""Calls: API requests as data, and the decisions about them that need no I/O.

A `Call` describes one request and how to parse its response. An operation is anything whose
iteration yields calls and pauses and returns a value: a single `Call`, or a generator that makes
several calls. `MultiMail` and `AsyncMultiMail` run operations.
"""

from __future__ import annotations

import email.utils
import json
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import pydantic
from pydantic_core import from_json

from . import errors
from ._http import Response
from ._transport_errors import TransportError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Params: TypeAlias = dict[str, str | int | bool | None]

_RETRYABLE_STATUSES = frozenset({408, 425, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait between two calls of an operation.

    Attributes:
        seconds: How long to wait.
    """

    seconds: float

    def __iter__(self) -> Generator[Pause, Any, None]:
        yield self


class Operation(Protocol[T_co]):
    """Something a client can run: its iteration yields calls and pauses and returns the result."""

    def __iter__(self) -> Generator[Call[Any] | Pause, Any, T_co]: ...


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One API request and how to parse its response. Performs no I/O.

    Attributes:
        operation: The operation's name, for error messages.
        method: The HTTP method.
        path: The path below the base URL; `{mailbox}` stands for the mailbox's id.
        parse: Converts the decoded JSON (the bytes, if `raw`) to the result.
        params: Query parameters; None values are left out.
        json: The JSON body.
        content: A body that is not JSON.
        content_type: The media type of `content`.
        mailbox: The mailbox, by address or id; None for the client's default.
        resource_id: The email or thread id in the path; the mailbox cache may know its mailbox.
        idempotent: Whether applying it twice has the same effect as applying it once.
        idempotency_key: The key in the body that makes a write safe to repeat.
        raw: Whether the response is bytes rather than JSON.
        may_require_approval_code: Whether a 202 means that the operator has to supply a code.
    """

    operation: str
    method: str
    path: str
    parse: Callable[[Any], T]
    params: Params = field(default_factory=dict)
    json: dict[str, Any] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    mailbox: str | None = None
    resource_id: str | None = None
    idempotent: bool = False
    idempotency_key: str | None = None
    raw: bool = False
    may_require_approval_code: bool = False

    def __iter__(self) -> Generator[Call[Any] | Pause, Any, T]:
        result: T = yield self
        return result

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.method not in ("GET", "HEAD")

    @property
    def is_retryable(self) -> bool:
        """Whether it can be repeated without harm."""
        return self.idempotent or not self.is_write or self.idempotency_key is not None

    def encode_body(self) -> bytes | None:
        """Return the request body.

        Raises:
            ValidationError: An argument can't be encoded as JSON.
        """
        if self.json is None:
            return self.content
        try:
            text = json.dumps(self.json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            reason = "a lone surrogate" if isinstance(error, UnicodeError) else str(error)
            raise errors.ValidationError(
                f"An argument cannot be written as JSON: {reason}.", operation=self.operation
            ) from None

    def encode_query(self) -> dict[str, str]:
        """Return the query parameters that are not None, as text.

        Raises:
            ValidationError: A value contains a lone surrogate.
        """
        query = {name: _to_text(value) for name, value in self.params.items() if value is not None}
        for name, value in query.items():
            if not value.isascii() and value != value.encode(errors="replace").decode():
                raise errors.ValidationError(
                    f"{name}: contains a lone surrogate.",
                    code=f"invalid_{name}",
                    operation=self.operation,
                )
        return query

    def parse_response(self, response: Response, *, ambiguous: bool = False) -> T:
        """Parse the response to the last attempt.

        Args:
            response: The response.
            ambiguous: Whether an earlier attempt may have been applied.

        Raises:
            APIError: The status is an error.
            ApprovalRequiredError: Nothing was changed; the operator has an approval code.
            OutcomeUnknownError: A write got a 5xx, was rate-limited after an ambiguous attempt,
                or returned a success that can't be parsed.
            InvalidResponseError: A read returned something that can't be parsed.
        """
        if not 200 <= response.status_code < 300:
            raise _status_error(self, response, ambiguous)
        if self.may_require_approval_code and response.status_code == 202:
            raise _approval_required(self, response)
        try:
            if self.raw:
                return self.parse(response.content)
            return self.parse(_decode_json(response) if response.content else {})
        except pydantic.ValidationError as error:
            fields = ", ".join(".".join(map(str, e["loc"])) or "body" for e in error.errors())
            reason = f"these fields are not as expected: {fields}"
            raise self._invalid_response(response, reason) from None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise self._invalid_response(response, str(error)) from None

    def _invalid_response(self, response: Response, reason: str) -> errors.MultiMailError:
        content_type = response.headers.get("content-type", "no content type")
        status = response.status_code
        message = f"The response ({status}, {content_type}) could not be parsed: {reason}."
        details: dict[str, Any] = {
            "status_code": status,
            "request_id": _request_id(response, None),
            "operation": self.operation,
        }
        if self.is_write:
            key = self.idempotency_key
            return errors.OutcomeUnknownError(message, idempotency_key=key, **details)
        return errors.InvalidResponseError(message, **details)


def _to_text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True, slots=True)
class Retry:
    """When to repeat a request, and how long to wait before.

    Attributes:
        max_attempts: Attempts in all, the first one included.
        base_delay: Seconds before the first repeat; doubles with each repeat.
        max_delay: The longest wait between attempts, in seconds, if the API names none.
        max_retry_after: The longest `Retry-After` to wait for, in seconds; a longer one is
            raised as an error.
        jitter: Returns a random number in [0, 1) that shortens a wait by up to a half.
    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 30.0
    jitter: Callable[[], float] = random.random

    def delay_after_response(
        self, call: Call[Any], response: Response, attempts: int
    ) -> float | None:
        """Return the seconds to wait before a repeat, or None to accept the response."""
        # A 429 was not processed, so that even a write can be repeated.
        retryable = response.status_code == 429 or (
            call.is_retryable and response.status_code in _RETRYABLE_STATUSES
        )
        if not retryable or attempts >= self.max_attempts:
            return None
        requested = parse_retry_after(response)
        if requested is None:
            return self.get_backoff(attempts)
        return requested if requested <= self.max_retry_after else None

    def delay_after_error(
        self, call: Call[Any], error: TransportError, attempts: int
    ) -> float | None:
        """Return the seconds to wait before a repeat, or None to give up."""
        retryable = (call.is_retryable or not error.was_sent) and not error.is_final
        return self.get_backoff(attempts) if retryable and attempts < self.max_attempts else None

    def get_backoff(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts, if the API names none."""
        longest = min(self.max_delay, self.base_delay * 2.0 ** min(attempts - 1, 64))
        return longest * (0.5 + 0.5 * self.jitter())


def is_retryable_status(status: int) -> bool:
    """Return whether a read that got this status can succeed later."""
    return status == 429 or status in _RETRYABLE_STATUSES


def parse_retry_after(response: Response) -> float | None:
    """Return the seconds in `Retry-After` (RFC 9110 section 10.2.3), or None."""
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


def may_have_been_applied(call: Call[Any], outcome: TransportError | Response) -> bool:
    """Whether this attempt may have been applied although no success response arrived."""
    if isinstance(outcome, TransportError):
        return call.is_write and outcome.was_sent
    return call.is_write and outcome.status_code >= 500


def build_network_error(
    call: Call[Any], error: TransportError, attempts: int, *, ambiguous: bool
) -> errors.NetworkError:
    """Convert a transport error: nothing happened, or the outcome is unknown.

    Args:
        call: The call that failed.
        error: The error of the last attempt.
        attempts: The number of attempts.
        ambiguous: Whether any attempt may have been applied.
    """
    tries = f"{attempts} {'try' if attempts == 1 else 'tries'}"
    if ambiguous:
        return errors.OutcomeUnknownError(
            f"The request was sent to {error.where} without a response: {error.reason} ({tries}).",
            operation=call.operation,
            idempotency_key=call.idempotency_key,
        )
    return errors.NetworkError(
        f"No response from {error.where}: {error.reason} ({tries}).",
        remedy=error.remedy,
        is_final=error.is_final,
        operation=call.operation,
    )


_ERRORS_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.ValidationError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.NotFoundError,
    413: errors.ValidationError,
    422: errors.ValidationError,
}


def _status_error(call: Call[Any], response: Response, ambiguous: bool) -> errors.MultiMailError:
    body = _decode_error_body(response)
    status = response.status_code
    details: dict[str, Any] = {
        "status_code": status,
        "code": _first_string(body, "code"),
        "request_id": _request_id(response, body),
        "body": body,
        "operation": call.operation,
    }
    if 400 <= status < 500 and isinstance(body, str) and body.lstrip().startswith("<"):
        details["code"] = ""
        content_type = response.headers.get("content-type", "no content type")
        return errors.InvalidResponseError(
            f"The response ({status}, {content_type}) is a page and not one of this API.",
            **details,
            remedy="A proxy or another server answered. Check the base URL, and HTTPS_PROXY, "
            "HTTP_PROXY and NO_PROXY.",
        )
    message = _first_string(body, "error", "message", "detail")
    message = message or f"The API responded with status {status}."
    if status == 429 and not ambiguous:
        return errors.RateLimitError(message, retry_after=parse_retry_after(response), **details)
    if 300 <= status < 400:
        message = f"The API responded with a redirect ({status})."
        return errors.InvalidResponseError(message, **details)
    if (status >= 500 and call.is_write) or status == 429:
        return errors.OutcomeUnknownError(
            f"{message} ({status})", idempotency_key=call.idempotency_key, **details
        )
    if status >= 500:
        return errors.ServerError(f"{message} ({status})", **details)
    return _ERRORS_BY_STATUS.get(status, errors.APIError)(message, **details)


def _approval_required(call: Call[Any], response: Response) -> errors.MultiMailError:
    body = _decode_error_body(response)
    return errors.ApprovalRequiredError(
        "Nothing was changed yet: the operator has to approve this first.",
        status_code=response.status_code,
        request_id=_request_id(response, body),
        body=body,
        operation=call.operation,
    )


def _decode_json(response: Response) -> Any:
    """Decode JSON with pydantic's parser; fall back to Python's, which reads more."""
    try:
        return from_json(response.content, cache_strings="keys")
    except ValueError:
        return json.loads(response.content)


def _decode_error_body(response: Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.content.decode("utf-8", "replace")[:500] or None


def _first_string(body: Any, *keys: str) -> str:
    if not isinstance(body, dict):
        return ""
    return next((body[key] for key in keys if isinstance(body.get(key), str)), "")


def _request_id(response: Response, body: Any) -> str | None:
    header: str | None = response.headers.get("x-request-id")
    return header or _first_string(body, "request_id") or None
