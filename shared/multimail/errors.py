"""Errors: everything that this package raises, in one hierarchy.

    MultiMailError
    ├── ConfigurationError      no key, no mailbox, a bad URL: fix the set-up
    ├── APIError                the API answered, and the answer is no
    │   ├── ValidationError     400, 413, 422, or refused here before any request was made
    │   ├── AuthenticationError 401
    │   ├── PermissionDeniedError 403
    │   ├── NotFoundError       404, 410
    │   ├── ConflictError       409
    │   ├── RateLimitError      429
    │   ├── ApprovalRequiredError 202 with nothing done: the operator has a code for it
    │   └── ServerError         5xx
    ├── NetworkError            the API could not be reached: nothing happened
    │   └── OutcomeUnknownError the request left and no answer came: it may have happened
    ├── ReplyError              the API answered something that is not this API
    ├── WaitTimeoutError        nothing that matches arrived in time
    ├── MemoryUnavailableError  what the guard or a webhook must remember cannot be reached
    └── WebhookError            in multimail.webhooks: an event that must not be acted on

Every message says what happened, to what, and what to do next. No error carries the API key.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "APIError",
    "ApprovalRequiredError",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "MemoryUnavailableError",
    "MultiMailError",
    "NetworkError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimitError",
    "ReplyError",
    "ServerError",
    "ValidationError",
    "WaitTimeoutError",
]


class MultiMailError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened, to what.
        status_code: The HTTP status, or None where no answer came.
        code: A machine-readable word for the error.
        request_id: The API's id of the request, for support and logs.
        body: The decoded body of the answer.
        remedy: What to do next, one sentence.
        operation: The API operation that failed, such as `send_email`.
    """

    default_code = "error"
    default_remedy = ""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str = "",
        request_id: str | None = None,
        body: Any = None,
        remedy: str = "",
        operation: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code or self.default_code
        self.request_id = request_id
        self.body = body
        self.remedy = remedy or self.default_remedy
        self.operation = operation

    @property
    def advice(self) -> str:
        """What to do next, or nothing where the message itself already says it."""
        says_more = re.search(r"[.!?] \S", self.message) is not None
        return "" if says_more and self.remedy == self.default_remedy else self.remedy

    def __str__(self) -> str:
        sentence = self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."
        facts = [f"{self.operation}: {sentence}" if self.operation else sentence]
        if self.advice:
            facts.append(self.advice)
        if self.request_id:
            facts.append(f"(request {self.request_id})")
        return " ".join(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: type[MultiMailError], message: str, state: dict[str, Any]) -> MultiMailError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class ConfigurationError(MultiMailError):
    """The client or toolkit cannot work as it was set up."""

    default_code = "configuration"


class APIError(MultiMailError):
    """The API answered with an error status."""

    default_code = "api_error"


class ValidationError(APIError, ValueError):
    """The request is not one that the API accepts; `status_code` is None if it was never made."""

    default_code = "invalid_request"
    default_remedy = "Correct the argument and call again; nothing was sent."


class AuthenticationError(APIError):
    """The API key is missing, unknown or revoked."""

    default_code = "unauthorized"
    default_remedy = "Check MULTIMAIL_API_KEY: the key is missing, revoked or of another server."


class PermissionDeniedError(APIError):
    """The key is valid and may not do this: a scope, a mailbox or its oversight mode forbids it."""

    default_code = "forbidden"
    default_remedy = "Use a key with the scope that this operation needs."


class NotFoundError(APIError):
    """No such thing, or not one that this key may see."""

    default_code = "not_found"
    default_remedy = "Check the id; list the mailbox to get current ones."


class ConflictError(APIError):
    """The thing is no longer in a state that allows this."""

    default_code = "conflict"
    default_remedy = "Read it again to see its current status before trying anything else."


class RateLimitError(APIError):
    """Too many requests, or a quota is used up.

    Attributes:
        retry_after: Seconds to wait as the API said, or None.
    """

    default_code = "rate_limited"
    default_remedy = "Wait and call again."

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class ApprovalRequiredError(APIError):
    """The operator has to approve this first; nothing was changed yet."""

    default_code = "approval_required"
    default_remedy = (
        "Get the approval code from the operator, then make the same call again with "
        "approval_code=…"
    )


class ServerError(APIError):
    """The API failed. Nothing is known to have happened."""

    default_code = "server_error"
    default_remedy = "Try again later."


class NetworkError(MultiMailError):
    """The API could not be reached; the request was not carried out."""

    default_code = "network"
    default_remedy = "Check the base URL and the network, then call again."


class OutcomeUnknownError(NetworkError):
    """The request left and its outcome is unknown: it may have been carried out.

    Attributes:
        idempotency_key: Repeat with this key to learn the outcome without doing it twice.
    """

    default_code = "outcome_unknown"
    default_remedy = (
        "It may have been carried out. Look at the thread or the outbox before repeating it; "
        "a repeat with the same idempotency key is safe."
    )

    def __init__(self, message: str, *, idempotency_key: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.idempotency_key = idempotency_key


class ReplyError(MultiMailError):
    """The answer is not one that this API gives (a proxy page, a cut body, another service)."""

    default_code = "unreadable_reply"
    default_remedy = "Check that the base URL is a MultiMail API."


class WaitTimeoutError(MultiMailError, TimeoutError):
    """No matching message arrived within the time given."""

    default_code = "timeout"
    default_remedy = "Call again to go on waiting."


class MemoryUnavailableError(MultiMailError):
    """Where the guard, or a webhook's handler, remembers cannot be reached: it does nothing."""

    default_code = "memory_unavailable"
    default_remedy = "Nothing was shown or sent. Try again later; if it stays so, tell a person."
