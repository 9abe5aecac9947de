"""Upgrades to a looser oversight mode, authorized by a one-time code from the operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..auth import Principal
from ..errors import ApiError, conflict, forbidden, invalid
from ..oversight import Mode
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, OneTimeCode, Purpose
from .context import AppContext, find_mailbox
from .notifications import notify_upgrade_request
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

MAX_REQUESTS_PER_HOUR = 3


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A request as a reviewer sees it; `text` is None if another process generated the code."""

    code: OneTimeCode
    address: str
    text: PlaintextCode | None


class UpgradeService:
    """API: POST …/request-upgrade, …/upgrade, and GET /v1/oversight/upgrade-requests.

    The latter exists in the embedded server only.
    """

    def __init__(self, context: AppContext, codes: CodeCache) -> None:
        self._context = context
        self._codes = codes

    def request(self, principal: Principal, mailbox_id: str, target: Mode) -> OneTimeCode:
        """Request a looser mode. The code goes to the operator and never to the caller.

        Raises:
            ApiError: The mode is not looser (400), or there were three requests within the hour
                (429).
        """
        context, text = self._context, generate_code()
        code_id = context.ids.new("upg")

        def work(tx: Tx) -> tuple[OneTimeCode, Mailbox]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            _check_target(mailbox, target)
            self._check_rate(tx, mailbox)
            code = self._build_code(code_id, principal, mailbox, target, digest_code(text))
            tx.put(code)
            notify_upgrade_request(tx, code, context.ids.new("ntc"))
            context.audit(
                tx,
                principal,
                "upgrade.request",
                ("mailbox", mailbox.id),
                mailbox_id=mailbox.id,
                upgrade_id=code.id,
                target_mode=target.value,
            )
            return code, mailbox

        code, mailbox = context.write(work)
        self._codes.put(code.id, PlaintextCode(text))
        context.notify_operator(
            f"The key {principal.name!r} requests to loosen {mailbox.address} from "
            f"{code.from_mode} to {code.target_mode}. To agree, give it this code within 24 "
            f"hours: {text}"
        )
        return code

    def redeem(self, principal: Principal, mailbox_id: str, text: str) -> Mailbox:
        """Set the mode that the code authorizes.

        Raises:
            ApiError: The code is wrong, used, expired or out of tries, or the mode was changed
                since (403), or the requesting key was revoked (409).
        """

        def work(tx: Tx) -> tuple[OneTimeCode, Mailbox] | ApiError:
            return self._redeem(tx, principal, find_mailbox(tx, principal, mailbox_id), text)

        result: tuple[OneTimeCode, Mailbox] | ApiError = self._context.write(work)
        if isinstance(result, ApiError):
            raise result
        code, mailbox = result
        self._codes.remove([code.id])
        return mailbox

    def list_requests(self, principal: Principal) -> list[UpgradeRequest]:
        """Return the open requests, oldest first, for a reviewer."""

        def work(tx: Reader) -> list[UpgradeRequest]:
            codes = self._open(tx, principal.account_id, principal.mailbox_id)
            mailboxes = {code.id: tx.mailbox(code.mailbox_id or "") for code in codes}
            return [
                UpgradeRequest(code, mailbox.address if mailbox else "", self._codes.get(code.id))
                for code, mailbox in ((code, mailboxes[code.id]) for code in codes)
            ]

        return self._context.store.read(work)

    def _redeem(
        self, tx: Tx, principal: Principal, mailbox: Mailbox, text: str
    ) -> tuple[OneTimeCode, Mailbox] | ApiError:
        context = self._context
        usable = self._open(tx, mailbox.account_id, mailbox.id)
        code = find_matching_code(usable, text)
        if code is None:
            # The failed try has to be committed, so the error is returned instead of raised.
            for candidate in usable:
                tx.put(replace(candidate, tries=candidate.tries + 1))
            return forbidden(
                "wrong_code",
                "The mode was not changed: the code is wrong, used, older than 24 hours, had five "
                "wrong tries, or the mode was changed since. Request another code.",
            )
        requester = tx.key(code.key_id)
        if requester is None or requester.revoked_at is not None:
            return conflict(
                "key_revoked",
                "The key that requested this code was revoked. Nothing was changed; request "
                "another code.",
            )
        end_upgrade_requests(tx, mailbox, context.now())
        changed = _upgraded(mailbox, Mode(code.target_mode or ""))
        tx.put(changed)
        context.audit(
            tx,
            principal,
            "mailbox.upgrade",
            ("mailbox", mailbox.id),
            mailbox_id=mailbox.id,
            upgrade_id=code.id,
            from_mode=code.from_mode,
            oversight_mode=code.target_mode,
        )
        return code, changed

    def _open(self, tx: Reader, account_id: str, mailbox_id: str | None) -> list[OneTimeCode]:
        now = self._context.now()
        codes = tx.one_time_codes(account_id, Purpose.UPGRADE, mailbox_id, now - LIFETIME)
        return [code for code in codes if is_open(code, now)]

    def _check_rate(self, tx: Reader, mailbox: Mailbox) -> None:
        now = self._context.now()
        recent = tx.one_time_codes(mailbox.account_id, Purpose.UPGRADE, mailbox.id, now - HOUR)
        if len(recent) >= MAX_REQUESTS_PER_HOUR:
            wait = int((recent[-MAX_REQUESTS_PER_HOUR].created_at + HOUR - now).total_seconds()) + 1
            raise ApiError(
                429,
                "too_many_requests",
                f"An upgrade of {mailbox.address} was requested three times within the hour. "
                f"Use one of those codes, or wait {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )

    def _build_code(
        self, code_id: str, principal: Principal, mailbox: Mailbox, target: Mode, sha256: str
    ) -> OneTimeCode:
        now = self._context.now()
        return OneTimeCode(
            id=code_id,
            account_id=mailbox.account_id,
            purpose=Purpose.UPGRADE,
            key_id=principal.key_id,
            sha256=sha256,
            created_at=now,
            expires_at=now + LIFETIME,
            mailbox_id=mailbox.id,
            from_mode=mailbox.oversight_mode.value,
            target_mode=target.value,
        )


def end_upgrade_requests(tx: Tx, mailbox: Mailbox, now: datetime) -> None:
    """Invalidate the open codes of a mailbox, which are bound to its previous mode."""
    for code in tx.one_time_codes(mailbox.account_id, Purpose.UPGRADE, mailbox.id, now - LIFETIME):
        if is_open(code, now):
            tx.put(replace(code, used_at=now))


def _check_target(mailbox: Mailbox, target: Mode) -> None:
    if not target.is_looser_than(mailbox.oversight_mode):
        raise invalid(
            f"`target_mode` {target.value} is not looser than {mailbox.oversight_mode.value}. To "
            f"tighten the mode, use PATCH /v1/mailboxes/{mailbox.id}.",
            "not_looser",
        )


def _upgraded(mailbox: Mailbox, target: Mode) -> Mailbox:
    """Return the mailbox in its new mode, without a hold that an earlier mode left."""
    settings = {name: value for name, value in mailbox.settings.items() if name != "hold_inbound"}
    return replace(mailbox, oversight_mode=target, settings=settings)
