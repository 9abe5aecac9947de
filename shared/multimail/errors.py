"""Errors raised by this package.

    MultiMailError
    ├── ConfigurationError      no key, no mailbox or a bad URL: fix the setup
    ├── APIError                the API responded with an error status
    │   ├── ValidationError     400, 413, 422, or rejected before any request was sent
    │   ├── AuthenticationError 401
    │   ├── PermissionDeniedError 403
    │   ├── NotFoundError       404, 410
    │   │   └── EventsLostError events after the position of a listener are no longer kept
    │   ├── UnsupportedError    the server lacks this operation
    │   ├── ConflictError       409
    │   ├── RateLimitError      429
    │   ├── ApprovalRequiredError 202 and nothing changed: the operator has an approval code
    │   └── ServerError         5xx
    ├── NetworkError            the API could not be reached: nothing happened
    │   └── OutcomeUnknownError the request was sent, no response came: it may have been applied
    ├── InvalidResponseError    the response is not one of this API
    ├── WaitTimeoutError        no matching message arrived in time
    ├── SessionStoreUnavailableError  the store of the guard or of a webhook handler is down
    └── WebhookError            in multimail.webhooks: a webhook request that must not be processed

Every message says what happened, to what, and what to do next. No error contains the API key.
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
    "EventsLostError",
    "InvalidResponseError",
    "MultiMailError",
    "NetworkError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "SessionStoreUnavailableError",
    "UnsupportedError",
    "ValidationError",
    "WaitTimeoutError",
]


class MultiMailError(Exception):
    """Base class of all errors of this package.

    Args:
        message: What happened, and to what.
        status_code: The HTTP status, or None if there was no response.
        code: A machine-readable identifier of the error.
        request_id: The API's id of the request, for support and logs.
        body: The decoded response body.
        remedy: What to do next, in one sentence.
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
        """What to do next; empty if the message already says so in a second sentence."""
        has_second_sentence = re.search(r"[.!?] \S", self.message) is not None
        return "" if has_second_sentence and self.remedy == self.default_remedy else self.remedy

    def __str__(self) -> str:
        sentence = self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."
        parts = [f"{self.operation}: {sentence}" if self.operation else sentence]
        if self.advice:
            parts.append(self.advice)
        if self.request_id:
            parts.append(f"(request {self.request_id})")
        return " ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.message, dict(self.__dict__))


def _unpickle(cls: type[MultiMailError], message: str, state: dict[str, Any]) -> MultiMailError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class ConfigurationError(MultiMailError):
    """The client, toolkit or store is not configured correctly."""

    default_code = "configuration"


class APIError(MultiMailError):
    """The API responded with an error status."""

    default_code = "api_error"


class ValidationError(APIError, ValueError):
    """The request is invalid. `status_code` is None if it was rejected before it was sent."""

    default_code = "invalid_request"
    default_remedy = "Correct the argument and call again; nothing was changed."


class AuthenticationError(APIError):
    """The API key is missing, unknown or revoked."""

    default_code = "unauthorized"
    default_remedy = "Check MULTIMAIL_API_KEY: the key is missing, revoked or of another server."


class PermissionDeniedError(APIError):
    """The key's scopes, its mailbox or the mailbox's oversight mode forbid the operation."""

    default_code = "forbidden"
    default_remedy = "Use a key with the scope that this operation needs."


class NotFoundError(APIError):
    """The resource does not exist, or the key may not access it."""

    default_code = "not_found"
    default_remedy = "Check the id; list the mailbox to get current ones."


class EventsLostError(NotFoundError):
    """Events after the position of a listener are no longer kept, or it is of another server.

    Attributes:
        resume_after: The position to go on from, with the first event that is kept.
    """

    default_code = "events_lost"
    default_remedy = "Read the mailbox to see what was missed, then listen(after=…resume_after)."

    def __init__(self, message: str, *, resume_after: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.resume_after = resume_after

    @classmethod
    def from_response(cls, error: APIError) -> EventsLostError:
        """Return the error of a response with the code `events_lost`."""
        body = error.body if isinstance(error.body, dict) else {}
        return cls(
            error.message,
            resume_after=body.get("resume_after"),
            status_code=error.status_code,
            code=error.code,
            request_id=error.request_id,
            body=error.body,
            operation=error.operation,
        )


class UnsupportedError(APIError):
    """The server lacks this operation: not every server has those beyond version 1 of the API."""

    default_code = "not_supported"
    default_remedy = "Use another operation; `multimail doctor` lists what this server lacks."


class ConflictError(APIError):
    """The resource is no longer in a state that allows the operation."""

    default_code = "conflict"
    default_remedy = "Read it again to see its current status before trying anything else."


class RateLimitError(APIError):
    """Too many requests, or a quota is used up.

    Attributes:
        retry_after: Seconds to wait according to the API, or None.
    """

    default_code = "rate_limited"
    default_remedy = "Wait and call again."

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class ApprovalRequiredError(APIError):
    """The operator has to approve the operation first; nothing was changed."""

    default_code = "approval_required"
    default_remedy = (
        "Get the approval code from the operator, then make the same call again with "
        "approval_code=…"
    )


class ServerError(APIError):
    """The API failed while it handled a read. Writes raise `OutcomeUnknownError`."""

    default_code = "server_error"
    default_remedy = "Try again later."


class NetworkError(MultiMailError):
    """The API could not be reached; the request was not processed.

    The message names the host, the port and the reason.

    Attributes:
        is_final: Whether a repeat fails as well until somebody changes something, as after a
            certificate that is not trusted.
    """

    default_code = "network"
    default_remedy = "Check the base URL and the network, then call again."

    def __init__(self, message: str, *, is_final: bool = False, **details: Any) -> None:
        super().__init__(message, **details)
        self.is_final = is_final


class OutcomeUnknownError(NetworkError):
    """The request was sent and its outcome is unknown: it may have been applied.

    Attributes:
        idempotency_key: Repeat the call with this key to learn the outcome without applying it
            twice.
    """

    default_code = "outcome_unknown"
    default_remedy = (
        "It may have been carried out. Look at the thread or the outbox before repeating it; "
        "a repeat with the same idempotency key is safe."
    )

    def __init__(self, message: str, *, idempotency_key: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.idempotency_key = idempotency_key


class InvalidResponseError(MultiMailError):
    """The response is not one of this API: a proxy's page, a truncated body, another service."""

    default_code = "unreadable_reply"
    default_remedy = "Check that the base URL is a MultiMail API."


class WaitTimeoutError(MultiMailError, TimeoutError):
    """No matching message arrived in time."""

    default_code = "timeout"
    default_remedy = "Call again to go on waiting."


class SessionStoreUnavailableError(MultiMailError):
    """The session store, or the store of seen webhook events, is unavailable.

    Tools then show nothing and send nothing.
    """

    default_code = "memory_unavailable"
    default_remedy = "Nothing was shown or sent. Try again later; if it persists, inform a person."
