"""Upgrades: the only way to a looser oversight mode, by a code that the human hands on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import ApiError, conflict, forbidden, invalid
from ..oversight import Mode
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, OneTimeCode, Purpose
from .context import AppContext, Principal, find_mailbox
from .notifications import notify_upgrade_request
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

MAX_AN_HOUR = 3


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A request as the reviewer sees it; `text` is the code, where this process has made it."""

    code: OneTimeCode
    address: str
    text: PlaintextCode | None


class UpgradeService:
    """API: POST …/request-upgrade and …/upgrade; GET /v1/oversight/upgrade-requests (ours)."""

    def __init__(self, context: AppContext, codes: CodeCache) -> None:
        self._context = context
        self._codes = codes

    def request(self, principal: Principal, mailbox_id: str, target: Mode) -> OneTimeCode:
        """Ask for a looser mode: a code goes to the human, and nothing of it to the caller.

        Raises:
            ApiError: The mode is not looser (400), or three were asked for within the hour (429).
        """
        context, text = self._context, mint_code()
        code_id = context.ids.new("upg")

        def work(tx: Tx) -> tuple[OneTimeCode, Mailbox]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            _check_target(mailbox, target)
            self._check_rate(tx, mailbox)
            code = self._code(code_id, principal, mailbox, target, digest_code(text))
            tx.put_code(code)
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
        self._codes.remember(code.id, PlaintextCode(text))
        context.notify_operator(
            f"The key {principal.name!r} asks to loosen {mailbox.address} from {code.from_mode} to "
            f"{code.target_mode}. If you agree, hand it this code within 24 hours: {text}"
        )
        return code

    def redeem(self, principal: Principal, mailbox_id: str, text: str) -> Mailbox:
        """Give the mailbox the mode that the code stands for.

        Raises:
            ApiError: The code is wrong, used, over or out of tries, or the mode was changed since
                (403), or the key that asked was revoked (409).
        """

        def work(tx: Tx) -> tuple[OneTimeCode, Mailbox] | ApiError:
            return self._redeem(tx, principal, find_mailbox(tx, principal, mailbox_id), text)

        done: tuple[OneTimeCode, Mailbox] | ApiError = self._context.write(work)
        if isinstance(done, ApiError):
            raise done
        self._codes.forget([done[0].id])
        return done[1]

    def waiting(self, principal: Principal) -> list[UpgradeRequest]:
        """Return the requests that a code can still answer, oldest first, for a reviewer."""

        def work(tx: Reader) -> list[UpgradeRequest]:
            found = self._open(tx, principal.account_id, principal.mailbox_id)
            boxes = {code.id: tx.mailbox(code.mailbox_id or "") for code in found}
            return [
                UpgradeRequest(code, box.address if box else "", self._codes.look_up(code.id))
                for code, box in ((code, boxes[code.id]) for code in found)
            ]

        return self._context.store.read(work)

    def _redeem(
        self, tx: Tx, principal: Principal, mailbox: Mailbox, text: str
    ) -> tuple[OneTimeCode, Mailbox] | ApiError:
        context = self._context
        usable = self._open(tx, mailbox.account_id, mailbox.id)
        code = find_matching_code(usable, text)
        if code is None:
            # Committed although it is refused, so the refusal is returned and not raised.
            for one in usable:
                tx.put_code(replace(one, tries=one.tries + 1))
            return forbidden(
                "wrong_code",
                "The mailbox's mode was not changed: this is no code for it, or it was used, is "
                "older than 24 hours, was preceded by five wrong ones, or the mode was changed "
                "since. Ask for another one.",
            )
        asker = tx.key(code.key_id)
        if asker is None or asker.revoked_at is not None:
            return conflict(
                "key_revoked",
                "The key that asked for this code was revoked. Nothing was changed; ask for "
                "another code.",
            )
        end_upgrade_requests(tx, mailbox, context.now())
        changed = _upgraded(mailbox, Mode(code.target_mode or ""))
        tx.put_mailbox(changed)
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
        found = tx.one_time_codes(account_id, Purpose.UPGRADE, mailbox_id, now - LIFETIME)
        return [code for code in found if is_open(code, now)]

    def _check_rate(self, tx: Reader, mailbox: Mailbox) -> None:
        now = self._context.now()
        recent = tx.one_time_codes(mailbox.account_id, Purpose.UPGRADE, mailbox.id, now - HOUR)
        if len(recent) >= MAX_AN_HOUR:
            wait = int((recent[-MAX_AN_HOUR].created_at + HOUR - now).total_seconds()) + 1
            raise ApiError(
                429,
                "too_many_requests",
                f"An upgrade of {mailbox.address} was asked for three times within the hour. "
                f"Ask the human for one of those codes, or wait {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )

    def _code(
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
    """End all codes of a mailbox: its mode changes, and they were made for the one before."""
    for code in tx.one_time_codes(mailbox.account_id, Purpose.UPGRADE, mailbox.id, now - LIFETIME):
        if is_open(code, now):
            tx.put_code(replace(code, used_at=now))


def _check_target(mailbox: Mailbox, target: Mode) -> None:
    if not target.is_looser_than(mailbox.oversight_mode):
        raise invalid(
            f"`target_mode` {target.value} is not looser than {mailbox.oversight_mode.value}. "
            f"An admin key tightens a mailbox by PATCH /v1/mailboxes/{mailbox.id}.",
            "not_looser",
        )


def _upgraded(mailbox: Mailbox, target: Mode) -> Mailbox:
    """Return the mailbox in its new mode; what was held because of an older one no longer is."""
    settings = {name: value for name, value in mailbox.settings.items() if name != "hold_inbound"}
    return replace(mailbox, oversight_mode=target, settings=settings)
