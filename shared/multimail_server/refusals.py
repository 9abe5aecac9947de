"""Refusals: what the mailroom raises when it will not do what was asked. The web shows them."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A request that is not carried out.

    Attributes:
        status: The HTTP status that the web answers.
        code: For programs, in snake_case.
        sentence: What happened, to what, and what to do next.
        headers: More headers for the answer.
        extra: More fields for the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def invalid(sentence: str, code: str = "invalid_request") -> Refusal:
    """Return a 400: the request itself is wrong."""
    return Refusal(400, code, sentence)


def not_found(what: str, which: str) -> Refusal:
    """Return a 404 that does not say whether the thing exists for somebody else."""
    return Refusal(
        404, "not_found", f"There is no {what} {which[:80]!r} that this key can see. Check the id."
    )


def conflict(code: str, sentence: str) -> Refusal:
    """Return a 409: the request is right and the state of things forbids it."""
    return Refusal(409, code, sentence)


def forbidden(code: str, sentence: str) -> Refusal:
    """Return a 403: this key, or this mailbox, may not do that."""
    return Refusal(403, code, sentence)


def unavailable(*, unchanged: bool) -> Refusal:
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
    sentence = f"The server's database cannot take this now, {told}"
    return Refusal(503, "store_unavailable", sentence, headers={"Retry-After": "2"})
