"""The approver's tools. They are never in an agent's hands."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from .. import endpoints as api
from .._call import Call, Operation, Pause
from ..errors import NotFoundError, PermissionDeniedError
from ..trust.text import one_line
from . import args as a
from .context import ToolContext
from .reading import Run
from .spec import ToolArgs, ToolError, ToolResult

Args = TypeVar("Args", bound=ToolArgs)


def decide_email(args: a.DecideEmail, context: ToolContext) -> Run:
    """Decide on a pending message that this session has been shown, exactly as it was shown."""
    seen = context.seen.of(context.session_id, args.email_id)
    withheld = context.seen.withheld(context.session_id, args.email_id)
    if seen is None and withheld is not None:
        if args.decision == "approve":
            return ToolResult.failure(_UNSEEN_BODY)
        seen = withheld
    if seen is None:
        return ToolResult.failure(
            ToolError(
                "not_seen",
                f"{args.email_id} has not been read to its end in this session",
                next_step="Call read_email for it first, then decide.",
            )
        )
    done = yield from api.decide_email(
        args.email_id, args.decision, reason=args.reason, content_hash=seen or None
    )
    status = one_line(done.message_status or done.status, 60)
    word = "approved" if args.decision == "approve" else "rejected"
    return ToolResult(
        f"{args.email_id} was {word}; its status is {status}.",
        {"id": args.email_id, "decision": args.decision, "status": status},
    )


_UNSEEN_BODY = ToolError(
    "withheld",
    "Its body is withheld, so it can be rejected here but not approved",
    next_step="Leave it to a person, or reject it.",
)


def by_approver(
    operation: Callable[[Args, ToolContext], Operation[ToolResult]],
) -> Callable[[Args, ToolContext], Run]:
    """Make an operation refuse to run with a key that could also send: nobody approves himself."""

    def vetted(args: Args, context: ToolContext) -> Run:
        if not context.vetted.is_set():
            if "send" in (yield from _scopes()):
                return ToolResult.failure(_SENDS_TOO)
            context.vetted.set()
        return (yield from operation(args, context))

    return vetted


_SENDS_TOO = ToolError(
    "key_can_send",
    "This key can send mail, so it must not decide on mail",
    next_step="The application has to use a key with the scopes read and oversight only.",
)


def _scopes() -> Generator[Call[Any] | Pause, Any, list[str]]:
    """Return the key's scopes, or none where the API does not tell them."""
    try:
        account = yield from api.get_account()
    except (NotFoundError, PermissionDeniedError):
        return []
    return account.key.scopes if account.key else []
