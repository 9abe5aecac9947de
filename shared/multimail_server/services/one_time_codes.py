"""One-time codes: a sensitive change or a looser mode needs a code from the operator.

The store keeps a digest. The plaintext stays in this process's memory, for reviewers to read, and
is lost when the server stops: then a new code has to be requested.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ..auth import Principal
from ..errors import ApiError, conflict, forbidden, invalid
from ..oversight import Mode
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Mailbox, OneTimeCode, Purpose
from .context import AppContext, find_mailbox
from .drafts import digest
from .events import notify_upgrade_request

LIFETIME = timedelta(hours=24)
HOUR = timedelta(hours=1)
MAX_TRIES = 5
MAX_CHANGE_REQUESTS_PER_HOUR = 20
MAX_UPGRADE_REQUESTS_PER_HOUR = 3
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 16
_GROUP = 4
_MAX_TEXTS = 1000
_CONFUSABLE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class PlaintextCode:
    """The plaintext of a code, with the request that it approves."""

    text: str = field(repr=False)
    request: dict[str, Any] = field(default_factory=dict)


class CodeCache:
    """Plaintexts of the codes that this process generated. Safe to use from many threads."""

    def __init__(self) -> None:
        self._texts: dict[str, PlaintextCode] = {}
        self._lock = threading.Lock()

    def put(self, code_id: str, text: PlaintextCode) -> None:
        """Keep the plaintext of a code."""
        with self._lock:
            self._texts[code_id] = text
            while len(self._texts) > _MAX_TEXTS:
                del self._texts[next(iter(self._texts))]

    def get(self, code_id: str) -> PlaintextCode | None:
        """Return the plaintext of a code; None if another process generated it."""
        with self._lock:
            return self._texts.get(code_id)

    def remove(self, code_ids: Iterable[str]) -> None:
        """Drop the plaintexts of codes that ended."""
        with self._lock:
            for code_id in code_ids:
                self._texts.pop(code_id, None)


def generate_code() -> str:
    """Return a code of 80 random bits in four groups, in an alphabet without look-alikes."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def digest_code(text: str) -> str:
    """Return the SHA-256 of a code; case, dashes, O for 0 and I or L for 1 make no difference."""
    return hashlib.sha256(
        text.upper().translate(_CONFUSABLE).encode("utf-8", "replace")
    ).hexdigest()


def _list_open(
    tx: Reader, account_id: str, purpose: Purpose, mailbox_id: str | None, now: datetime
) -> list[OneTimeCode]:
    """Return the codes that can still be redeemed, oldest first; of one mailbox if it is given."""
    codes = tx.one_time_codes(account_id, purpose, mailbox_id, now - LIFETIME)
    return [
        code
        for code in codes
        if code.used_at is None and code.tries < MAX_TRIES and code.expires_at > now
    ]


def _find_match(tx: Tx, codes: Sequence[OneTimeCode], text: str) -> OneTimeCode | None:
    """Return the code that matches `text`, in constant time; if none does, count a try of each."""
    sha256, matching = digest_code(text), None
    for code in codes:
        if hmac.compare_digest(code.sha256, sha256):
            matching = code
    if matching is None:
        for code in codes:
            tx.put(replace(code, tries=code.tries + 1))
    return matching


def _too_many_requests(message: str, seconds: int) -> ApiError:
    headers = {"Retry-After": str(seconds)}
    return ApiError(429, "too_many_requests", message, headers=headers)


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
            if len(recent) >= MAX_CHANGE_REQUESTS_PER_HOUR:
                raise _too_many_requests(
                    "Twenty approval codes were requested within the hour. Use one of them, or "
                    "wait.",
                    int(HOUR.total_seconds()),
                )
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

        code = context.write(work, Scope.of_account(principal.account_id))
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
            code = _find_match(tx, usable, text)
            if code is None:
                return _wrong_code()  # Returned, so that the failed try is committed.
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

        scope = Scope.of_account(principal.account_id)
        result: ApiError | OneTimeCode = self._context.write(work, scope)
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
        return _list_open(tx, principal.account_id, Purpose.CHANGE, None, self._context.now())


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

        code, mailbox = context.write(work, Scope.of_account(principal.account_id))
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

        scope = Scope.of_account(principal.account_id)
        result: tuple[OneTimeCode, Mailbox] | ApiError = self._context.write(work, scope)
        if isinstance(result, ApiError):
            raise result
        code, mailbox = result
        self._codes.remove([code.id])
        return mailbox

    def list_requests(self, principal: Principal) -> list[UpgradeRequest]:
        """Return the open requests, oldest first, for a reviewer."""

        def work(tx: Reader) -> list[UpgradeRequest]:
            requests = []
            for code in self._open(tx, principal.account_id, principal.mailbox_id):
                mailbox = tx.mailbox(code.mailbox_id or "")
                address = mailbox.address if mailbox else ""
                requests.append(UpgradeRequest(code, address, self._codes.get(code.id)))
            return requests

        return self._context.store.read(work)

    def _redeem(
        self, tx: Tx, principal: Principal, mailbox: Mailbox, text: str
    ) -> tuple[OneTimeCode, Mailbox] | ApiError:
        context = self._context
        usable = self._open(tx, mailbox.account_id, mailbox.id)
        code = _find_match(tx, usable, text)
        if code is None:
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
        return _list_open(tx, account_id, Purpose.UPGRADE, mailbox_id, self._context.now())

    def _check_rate(self, tx: Reader, mailbox: Mailbox) -> None:
        now = self._context.now()
        recent = tx.one_time_codes(mailbox.account_id, Purpose.UPGRADE, mailbox.id, now - HOUR)
        if len(recent) >= MAX_UPGRADE_REQUESTS_PER_HOUR:
            oldest = recent[-MAX_UPGRADE_REQUESTS_PER_HOUR]
            wait = int((oldest.created_at + HOUR - now).total_seconds()) + 1
            raise _too_many_requests(
                f"An upgrade of {mailbox.address} was requested three times within the hour. "
                f"Use one of those codes, or wait {wait} seconds.",
                wait,
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
    for code in _list_open(tx, mailbox.account_id, Purpose.UPGRADE, mailbox.id, now):
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
