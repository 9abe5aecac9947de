"""Refusals: what the mailroom raises when it will not do what was asked. The web shows them."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """A request that is not carried out.

    Attributes:
        status: The HTTP status that the web answers.
        code: For programs, in snake_case.
        message: What happened, to what, and what to do next.
        headers: More headers for the answer.
        extra: More fields for the answer.
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
    """Return a 400: the request itself is wrong."""
    return ApiError(400, code, message)


def not_found(what: str, which: str) -> ApiError:
    """Return a 404 that does not say whether the thing exists for somebody else."""
    return ApiError(
        404, "not_found", f"There is no {what} {which[:80]!r} that this key can see. Check the id."
    )


def conflict(code: str, message: str) -> ApiError:
    """Return a 409: the request is right and the state of things forbids it."""
    return ApiError(409, code, message)


def forbidden(code: str, message: str) -> ApiError:
    """Return a 403: this key, or this mailbox, may not do that."""
    return ApiError(403, code, message)


def unavailable(*, unchanged: bool) -> ApiError:
    """Return a 503: the database cannot answer now.

    Args:
        unchanged: Whether it is certain that nothing was changed.
    """
    told = "and nothing was changed. Try again soon."
    if not unchanged:
        told = (
            "and what was asked for may have been done: look, or ask again under the same "
            "idempotency key."
        )
    message = f"The server's database cannot take this now, {told}"
    return ApiError(503, "store_unavailable", message, headers={"Retry-After": "2"})
