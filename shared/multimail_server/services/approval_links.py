"""Approval links: single-use URLs that decide on one revision of one message."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..auth import Principal, require_approver
from ..errors import ApiError, conflict
from ..oversight import State
from ..store.protocol import Reader, Tx
from ..store.records import ApprovalLink, Message
from .context import AppContext, find_message
from .decisions import DecisionService

DEFAULT_LIFETIME = timedelta(hours=24)
HELD = frozenset({State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL})
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link with its token, which is shown once."""

    token: str = field(repr=False)
    link: ApprovalLink


def get_content_digest(message: Message) -> str:
    """Return the digest of the content that an approver saw.

    For outbound mail it is the `content_hash`; inbound mail never changes, so its bytes are hashed.
    """
    return message.content_hash or message.raw_sha256


class ApprovalLinkService:
    """API: GET and POST /v1/approve/{token}, and POST /v1/oversight/{email}/approval-link.

    The latter exists in the embedded server only.
    """

    def __init__(self, context: AppContext, decisions: DecisionService) -> None:
        self._context = context
        self._decisions = decisions

    def create(
        self, principal: Principal, email_id: str, *, lifetime: timedelta, seen_hash: str | None
    ) -> NewLink:
        """Create a link to a message that awaits a decision. Its holder decides as `principal`.

        Args:
            principal: The approver: a key with `oversight`.
            email_id: The message.
            lifetime: From now; the link also ends when the message expires.
            seen_hash: The `content_hash` that the approver saw; a mismatch is a 409.
        Raises:
            ApiError: It awaits no decision or differs from `seen_hash` (409); it is unknown (404).
        """
        context, token = self._context, secrets.token_urlsafe(_TOKEN_BYTES)

        def work(tx: Tx) -> ApprovalLink:
            require_approver(tx.key(principal.key_id))
            message = find_message(tx, principal, email_id)
            self._check_held(message)
            if seen_hash is not None and seen_hash != get_content_digest(message):
                raise _changed(message.id)
            ends = context.now() + lifetime
            link = ApprovalLink(
                sha256=_digest(token),
                message_id=message.id,
                content_hash=get_content_digest(message),
                key_id=principal.key_id,
                created_at=context.now(),
                expires_at=min(ends, message.expires_at or ends),
            )
            tx.put(link)
            context.audit_message(
                tx,
                principal,
                "oversight.link",
                message,
                content_hash=link.content_hash,
                expires_at=link.expires_at.isoformat(),
            )
            return link

        return NewLink(token, context.write(work))

    def open(self, token: str) -> tuple[ApprovalLink, Principal]:
        """Return a usable link and its approver.

        Raises:
            ApiError: No such link (404); used, expired or its key cannot approve (410); the message
                changed (409).
        """
        return self._context.store.read(lambda tx: self._usable(tx, token, self._context.now()))

    def decide(
        self, token: str, *, approve: bool, reason: str | None, seen_hash: str | None
    ) -> Message:
        """Decide by a link; the decision and the use of the link are one transaction.

        Args:
            token: From the link.
            approve: False rejects it.
            reason: Kept with the message.
            seen_hash: The digest that the form carries; None for a caller without a form.
        """
        link, principal = self.open(token)
        if seen_hash is not None and seen_hash != link.content_hash:
            raise _changed(link.message_id)

        def use(tx: Tx) -> None:
            current, _ = self._usable(tx, token, self._context.now())
            tx.put(replace(current, used_at=self._context.now()))

        return self._decisions.decide(
            principal, link.message_id, approve=approve, reason=reason, seen_hash=None, check=use
        )

    def _usable(self, tx: Reader, token: str, now: datetime) -> tuple[ApprovalLink, Principal]:
        link = tx.approval_link(_digest(token))
        if link is None:
            raise ApiError(
                404, "link_unknown", "This approval link is unknown here. Ask for a new one."
            )
        if link.used_at is not None:
            raise _gone("link_used", "This approval link was used; ask for a new one.")
        if link.expires_at <= now:
            raise _gone("link_expired", "This approval link expired. Ask for a new one.")
        try:
            principal = require_approver(tx.key(link.key_id))
        except ApiError:
            raise _gone(
                "link_void",
                "The key of this approval link can no longer approve. Ask for a new link.",
            ) from None
        message = find_message(tx, principal, link.message_id)
        if get_content_digest(message) != link.content_hash:
            raise _changed(message.id)
        return link, principal

    @staticmethod
    def _check_held(message: Message) -> None:
        if message.status not in HELD:
            raise conflict(
                "not_held",
                f"Message {message.id} awaits no decision; its status is {message.status.wire}.",
            )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _gone(code: str, message: str) -> ApiError:
    return ApiError(410, code, message)


def _changed(message_id: str) -> ApiError:
    return conflict(
        "content_changed",
        f"Message {message_id} changed after this link was made. Nothing was decided; ask for a "
        "new link.",
    )
