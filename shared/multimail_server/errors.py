"""Errors that the API responds with."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """A request that is rejected.

    Attributes:
        status: The HTTP status of the response.
        code: For programs, in snake_case.
        message: What happened, to what, and what to do next.
        headers: More headers of the response.
        extra: More fields of the response body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def invalid(message: str, code: str = "invalid_request") -> ApiError:
    """Return a 400: the request is invalid."""
    return ApiError(400, code, message)


def not_found(kind: str, identifier: str, remedy: str = "Check the id.") -> ApiError:
    """Return a 404 that doesn't reveal whether the resource exists for another key."""
    return ApiError(
        404,
        "not_found",
        f"There is no {kind} {identifier[:80]!r} that this key can access. {remedy}",
    )


def conflict(code: str, message: str) -> ApiError:
    """Return a 409: the request is valid but conflicts with the present state."""
    return ApiError(409, code, message)


def forbidden(code: str, message: str) -> ApiError:
    """Return a 403: the key or the mailbox does not allow the request."""
    return ApiError(403, code, message)


def unavailable(*, unchanged: bool) -> ApiError:
    """Return a 503: the database is unavailable.

    Args:
        unchanged: Whether it is certain that nothing was changed.
    """
    message = "The server's database is unavailable. Nothing was changed; try again soon."
    if not unchanged:
        message = (
            "The server's database is unavailable, and the request may have been applied. Check "
            "its result, or repeat it with the same idempotency key."
        )
    return ApiError(503, "store_unavailable", message, headers={"Retry-After": "2"})
