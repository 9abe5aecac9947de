"""Approval codes: a sensitive change of an admin is made when the human has handed on a code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import ApiError, forbidden
from ..store.protocol import Reader, Tx
from ..store.records import OneTimeCode, Purpose
from .context import AppContext, Principal
from .drafts import digest
from .one_time_codes import (
    HOUR,
    LIFETIME,
    CodeCache,
    PlaintextCode,
    digest_code,
    find_matching_code,
    is_open,
    mint_code,
)

MAX_AN_HOUR = 20


@dataclass(frozen=True, slots=True)
class SensitiveChange:
    """A sensitive request.

    Attributes:
        subject: Its method and path.
        body: What it asks for, without its code.
    """

    subject: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A request as the reviewer sees it; `text` is the code, where this process has made it."""

    code: OneTimeCode
    text: PlaintextCode | None


class ApprovalCodeService:
    """What the hosted service does before it makes keys, webhooks or mailboxes."""

    def __init__(self, context: AppContext, codes: CodeCache) -> None:
        self._context = context
        self._codes = codes

    def ask(self, principal: Principal, change: SensitiveChange) -> OneTimeCode:
        """Make a code for exactly this change and tell it to the human.

        Raises:
            ApiError: Twenty were asked for within the hour (429).
        """
        context, text = self._context, mint_code()
        code_id = context.ids.new("cod")

        def work(tx: Tx) -> OneTimeCode:
            now = context.now()
            recent = tx.one_time_codes(principal.account_id, Purpose.CHANGE, None, now - HOUR)
            if len(recent) >= MAX_AN_HOUR:
                raise _too_many()
            code = OneTimeCode(
                id=code_id,
                account_id=principal.account_id,
                purpose=Purpose.CHANGE,
                key_id=principal.key_id,
                sha256=digest_code(text),
                created_at=now,
                expires_at=now + LIFETIME,
                mailbox_id=principal.mailbox_id,
                subject=change.subject,
                fingerprint=digest(change.body),
            )
            tx.put_code(code)
            about = ("approval_code", code.id)
            context.audit(tx, principal, "code.request", about, mailbox_id=principal.mailbox_id,
                       request=change.subject)  # fmt: skip
            return code

        code = context.write(work)
        self._codes.remember(code.id, PlaintextCode(text, change.body))
        context.notify_operator(
            f"The key {principal.name!r} asks for {change.subject}. Look at GET /v1/oversight/"
            f"approval-codes for what it holds; if you agree, hand it this code: {text}"
        )
        return code

    def redeem(self, principal: Principal, change: SensitiveChange, text: str) -> None:
        """Use up a code for exactly this change, whatever comes of the change itself.

        Raises:
            ApiError: It is no code for it, or not one any more (403).
        """

        def work(tx: Tx) -> ApiError | OneTimeCode:
            usable = [code for code in self._open(tx, principal) if code.key_id == principal.key_id]
            code = find_matching_code(usable, text)
            if code is None:
                for one in usable:
                    tx.put_code(replace(one, tries=one.tries + 1))
                return _wrong()
            if (code.subject, code.fingerprint) != (change.subject, digest(change.body)):
                return _another()
            tx.put_code(replace(code, used_at=self._context.now()))
            about = ("approval_code", code.id)
            self._context.audit(tx, principal, "code.redeem", about, mailbox_id=code.mailbox_id,
                             request=code.subject)  # fmt: skip
            return code

        done: ApiError | OneTimeCode = self._context.write(work)
        if isinstance(done, ApiError):
            raise done
        self._codes.forget([done.id])

    def waiting(self, principal: Principal) -> list[ChangeRequest]:
        """Return the changes that a code can still allow, oldest first, for a reviewer."""

        def work(tx: Reader) -> list[ChangeRequest]:
            found = [code for code in self._open(tx, principal) if principal.sees(code.mailbox_id)]
            return [ChangeRequest(code, self._codes.look_up(code.id)) for code in found]

        return self._context.store.read(work)

    def _open(self, tx: Reader, principal: Principal) -> list[OneTimeCode]:
        now = self._context.now()
        found = tx.one_time_codes(principal.account_id, Purpose.CHANGE, None, now - LIFETIME)
        return [code for code in found if is_open(code, now)]


def _wrong() -> ApiError:
    return forbidden(
        "wrong_code",
        "Nothing was changed: this is no approval code of this key, or it was used, is older than "
        "24 hours, or was preceded by five wrong ones. Make the request without `approval_code` "
        "to have another one made.",
    )


def _another() -> ApiError:
    return forbidden(
        "code_for_another_request",
        "Nothing was changed: the human approved another request than this one. Repeat that one "
        "exactly, or make this one without `approval_code` to have a code made for it.",
    )


def _too_many() -> ApiError:
    return ApiError(
        429,
        "too_many_requests",
        "Twenty approval codes were asked for within the hour. Use one of them, or wait.",
        headers={"Retry-After": str(int(HOUR.total_seconds()))},
    )
