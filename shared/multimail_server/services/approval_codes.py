"""Approval codes: a sensitive change needs a one-time code from the operator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..auth import Principal
from ..errors import ApiError, forbidden
from ..store.protocol import Reader, Tx
from ..store.records import OneTimeCode, Purpose
from .context import AppContext
from .drafts import digest
from .one_time_codes import (
    HOUR,
    LIFETIME,
    CodeCache,
    PlaintextCode,
    digest_code,
    find_matching_code,
    generate_code,
    is_open,
)

MAX_REQUESTS_PER_HOUR = 20


@dataclass(frozen=True, slots=True)
class SensitiveChange:
    """A request that needs an approval code.

    Attributes:
        subject: Its method and path.
        body: Its body, without the code.
    """

    subject: str
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A request as a reviewer sees it; `text` is None if another process generated the code."""

    code: OneTimeCode
    text: PlaintextCode | None


class ApprovalCodeService:
    """Issues and redeems approval codes, as the hosted service does for sensitive changes."""

    def __init__(self, context: AppContext, codes: CodeCache) -> None:
        self._context = context
        self._codes = codes

    def request(self, principal: Principal, change: SensitiveChange) -> OneTimeCode:
        """Generate a code for exactly this change and show it to the operator.

        Raises:
            ApiError: There were twenty requests within the hour (429).
        """
        context, text = self._context, generate_code()
        code_id = context.ids.new("cod")

        def work(tx: Tx) -> OneTimeCode:
            now = context.now()
            recent = tx.one_time_codes(principal.account_id, Purpose.CHANGE, None, now - HOUR)
            if len(recent) >= MAX_REQUESTS_PER_HOUR:
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
            tx.put(code)
            resource = ("approval_code", code.id)
            context.audit(tx, principal, "code.request", resource, mailbox_id=principal.mailbox_id,
                       request=change.subject)  # fmt: skip
            return code

        code = context.write(work)
        self._codes.put(code.id, PlaintextCode(text, change.body))
        context.notify_operator(
            f"The key {principal.name!r} requests {change.subject}. Its body is shown by "
            f"GET /v1/oversight/approval-codes. To agree, give it this code: {text}"
        )
        return code

    def redeem(self, principal: Principal, change: SensitiveChange, text: str) -> None:
        """Redeem a code for exactly this change, whether or not the change then succeeds.

        Raises:
            ApiError: The code is wrong, ended or for another change (403).
        """

        def work(tx: Tx) -> ApiError | OneTimeCode:
            usable = [code for code in self._open(tx, principal) if code.key_id == principal.key_id]
            code = find_matching_code(usable, text)
            if code is None:
                for candidate in usable:
                    tx.put(replace(candidate, tries=candidate.tries + 1))
                return _wrong_code()
            if (code.subject, code.fingerprint) != (change.subject, digest(change.body)):
                return _code_for_another_request()
            tx.put(replace(code, used_at=self._context.now()))
            resource = ("approval_code", code.id)
            self._context.audit(
                tx,
                principal,
                "code.redeem",
                resource,
                mailbox_id=code.mailbox_id,
                request=code.subject,
            )
            return code

        result: ApiError | OneTimeCode = self._context.write(work)
        if isinstance(result, ApiError):
            raise result
        self._codes.remove([result.id])

    def list_requests(self, principal: Principal) -> list[ChangeRequest]:
        """Return the open requests, oldest first, for a reviewer."""

        def work(tx: Reader) -> list[ChangeRequest]:
            codes = [code for code in self._open(tx, principal) if principal.sees(code.mailbox_id)]
            return [ChangeRequest(code, self._codes.get(code.id)) for code in codes]

        return self._context.store.read(work)

    def _open(self, tx: Reader, principal: Principal) -> list[OneTimeCode]:
        now = self._context.now()
        codes = tx.one_time_codes(principal.account_id, Purpose.CHANGE, None, now - LIFETIME)
        return [code for code in codes if is_open(code, now)]


def _wrong_code() -> ApiError:
    return forbidden(
        "wrong_code",
        "Nothing was changed: the approval code is wrong, of another key, used, older than 24 "
        "hours, or had five wrong tries. Repeat the request without `approval_code` for a new one.",
    )


def _code_for_another_request() -> ApiError:
    return forbidden(
        "code_for_another_request",
        "Nothing was changed: this code approves another request. Repeat that request exactly, or "
        "send this one without `approval_code` to get a code for it.",
    )


def _too_many() -> ApiError:
    return ApiError(
        429,
        "too_many_requests",
        "Twenty approval codes were requested within the hour. Use one of them, or wait.",
        headers={"Retry-After": str(int(HOUR.total_seconds()))},
    )
