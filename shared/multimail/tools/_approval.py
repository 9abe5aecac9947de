"""The approver's tools. They are never given to an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .. import endpoints as api
from .._call import Operation
from ..errors import NotFoundError, PermissionDeniedError
from ..trust.text import one_line
from ._context import ToolContext
from ._spec import Steps, ToolArgs, ToolError, ToolResult, ToolRun
from .schemas import DecideEmail

Args = TypeVar("Args", bound=ToolArgs)


def decide_email(args: DecideEmail, context: ToolContext) -> ToolRun:
    """Decide on a pending message, exactly as this session was shown it."""
    content_hash = context.seen.get_complete(context.session_id, args.email_id)
    withheld_hash = context.seen.get_withheld(context.session_id, args.email_id)
    if content_hash is None and withheld_hash is not None:
        if args.decision == "approve":
            return ToolResult.failure(_BODY_WITHHELD)
        content_hash = withheld_hash
    if content_hash is None:
        return ToolResult.failure(
            ToolError(
                "not_seen",
                f"{args.email_id} has not been read to its end in this session",
                next_step="Call read_email for it first, then decide.",
            )
        )
    decided = yield from api.decide_email(
        args.email_id, args.decision, reason=args.reason, content_hash=content_hash or None
    )
    status = one_line(decided.message_status or decided.status, 60)
    verb = "approved" if args.decision == "approve" else "rejected"
    return ToolResult(
        f"{args.email_id} was {verb}; its status is {status}.",
        {"id": args.email_id, "decision": args.decision, "status": status},
    )


_BODY_WITHHELD = ToolError(
    "withheld",
    "Its body is withheld, so it can be rejected here but not approved",
    next_step="Leave it to a person, or reject it.",
)


def require_approver_key(
    operation: Callable[[Args, ToolContext], Operation[ToolResult]],
) -> Callable[[Args, ToolContext], ToolRun]:
    """Make an operation fail with a key that can also send, to prevent self-approval."""

    def checked(args: Args, context: ToolContext) -> ToolRun:
        if not context.approver_key_checked.is_set():
            if "send" in (yield from _get_scopes()):
                return ToolResult.failure(_KEY_CAN_SEND)
            context.approver_key_checked.set()
        return (yield from operation(args, context))

    return checked


_KEY_CAN_SEND = ToolError(
    "key_can_send",
    "This key can send mail, so it must not decide on mail",
    next_step="The application has to use a key with the scopes read and oversight only.",
)


def _get_scopes() -> Steps[list[str]]:
    """Return the key's scopes, or none where the API does not report them."""
    try:
        account = yield from api.get_account()
    except (NotFoundError, PermissionDeniedError):
        return []
    return account.key.scopes if account.key else []
