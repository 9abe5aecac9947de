"""Authentication: API keys, the principal of a request, what it may do, and signed links.

A raw key is never stored; it is looked up by its digest.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from .errors import ApiError, forbidden
from .oversight import Mode
from .store.protocol import Store
from .store.records import Key, Mailbox

SCOPES = ("read", "send", "oversight", "admin")
_BYTES = 24
_PREFIX_LENGTH = 12
ROLES = {"agent": ("read", "send"), "reviewer": ("read", "oversight"), "admin": ("read", "admin")}
"""The scopes of a key by what its holder does; no role both sends and decides."""
_NOT_GRANTABLE = {"send": ("oversight", "admin"), "oversight": ("send", "admin")}
LINK_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A raw API key with its stored parts."""

    text: str = field(repr=False)
    prefix: str
    sha256: str


def generate_key(*, live: bool) -> SecretKey:
    """Return a new key of 192 random bits: `mm_live_…` or `mm_test_…`."""
    return build_secret_key(f"mm_{'live' if live else 'test'}_{secrets.token_urlsafe(_BYTES)}")


def build_secret_key(text: str) -> SecretKey:
    """Return a raw API key with its stored parts."""
    return SecretKey(text, text[:_PREFIX_LENGTH], digest_token(text))


def digest_token(text: str) -> str:
    """Return the SHA-256 by which a key or another random token is looked up.

    A fast hash is enough: the token is random and cannot be guessed.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who an operation is attributed to: an API key, or the server itself (`system`)."""

    key_id: str
    account_id: str
    name: str
    scopes: frozenset[str]
    live: bool
    mailbox_id: str | None = None
    """The only mailbox that the key can access; None for every mailbox of the account."""

    @classmethod
    def system(cls, account_id: str) -> Principal:
        """Return the principal of the server's own work: inbound mail, expiry, delivery."""
        return cls("", account_id, "server", frozenset(), live=False)

    @classmethod
    def from_key(cls, key: Key) -> Principal:
        """Return the principal of a stored key."""
        scopes = frozenset(key.scopes)
        return cls(key.id, key.account_id, key.name, scopes, key.live, key.mailbox_id)

    @classmethod
    def anonymous(cls) -> Principal:
        """Return the principal of a request that needs no key."""
        return cls("", "", "", frozenset(), live=False)

    @property
    def is_reviewer(self) -> bool:
        """Whether the key can see messages that await a decision."""
        return "oversight" in self.scopes

    def sees(self, mailbox_id: str | None) -> bool:
        """Return whether the key can access this mailbox."""
        return self.mailbox_id is None or self.mailbox_id == mailbox_id


def authenticate(headers: Mapping[str, str], store: Store) -> Principal:
    """Return the principal of `Authorization: Bearer` or `X-API-Key`; raise a 401 without one.

    Args:
        headers: Of the request; names in any case.
        store: Has the keys.
    """
    secret = _get_secret(headers)
    if secret is None:
        raise _build_unauthenticated(
            "missing_key",
            "This request has no API key. Send it as `Authorization: Bearer mm_…` or `X-API-Key`.",
        )
    key = store.read(lambda tx: tx.key_by_sha256(digest_token(secret)))
    if key is None or key.revoked_at is not None:
        raise _build_unauthenticated(
            "invalid_key", "This API key is unknown on this server, or it was revoked."
        )
    return Principal.from_key(key)


def _get_secret(headers: Mapping[str, str]) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key", "").strip() or None


def _build_unauthenticated(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, headers={"WWW-Authenticate": 'Bearer realm="multimail"'})


def require_grantable(principal: Principal, scopes: Iterable[str]) -> None:
    """Reject a grant of scopes by which one holder could both send and approve.

    Otherwise the holder of a key that sends could make a second key and approve its own messages.
    `admin` counts as both, since an admin key can make every other key.

    Raises:
        ApiError: The principal cannot grant these scopes (403).
    """
    requested = set(scopes)
    for own_scope, excluded in _NOT_GRANTABLE.items():
        conflicting = sorted(requested.intersection(excluded))
        if own_scope in principal.scopes and conflicting:
            raise forbidden(
                "self_approval",
                f"A key with the scope {own_scope} cannot give a key the scope "
                f"{' or '.join(conflicting)}: one holder could then send and approve. Use the "
                "account's admin key.",
            )


def require_mode_allowed(principal: Principal, mode: Mode) -> None:
    """Reject a mailbox by which a key that sends could send without a decision.

    Raises:
        ApiError: The mode is looser than `gated_send` and the key has the scope `send` (403).
    """
    if "send" in principal.scopes and mode.is_looser_than(Mode.GATED_SEND):
        raise forbidden(
            "loosening_refused",
            f"A key with the scope send cannot make a mailbox that is {mode.value}. Make it "
            "gated_send, or use the account's admin key.",
        )


def require_account_wide(principal: Principal) -> None:
    """Require a key that isn't bound to one mailbox.

    Raises:
        ApiError: It is (403).
    """
    if principal.mailbox_id is not None:
        raise forbidden(
            "bound_key", "This key belongs to one mailbox. Use an account-wide admin key."
        )


def require_approver(key: Key | None) -> Principal:
    """Return the principal of a key that can approve.

    Call it in the transaction that decides: a key can be revoked or changed at any time.

    Args:
        key: As the store has it now.
    Raises:
        ApiError: It is unknown or revoked (401), has the scope `send`, or lacks `oversight` (403).
    """
    if key is None or key.revoked_at is not None:
        raise ApiError(401, "invalid_key", "This key is unknown or was revoked. Use another key.")
    if "send" in key.scopes:
        raise forbidden(
            "self_approval",
            "A key that can send cannot decide on what is sent. Use the reviewer's key.",
        )
    if "oversight" not in key.scopes:
        raise forbidden(
            "missing_scope",
            "This key has no oversight scope, so it cannot decide. Use the reviewer's key.",
        )
    return Principal.from_key(key)


def keeps_inbound_hold(mailbox: Mailbox, mode: Mode) -> bool:
    """Return whether inbound mail stays held when a mailbox is tightened to `mode`.

    `read_only` shows inbound mail. A change that only tightens must not reveal held mail.
    """
    held = mailbox.oversight_mode is Mode.GATED_ALL or mailbox.settings.get("hold_inbound") is True
    return held and mode is Mode.READ_ONLY


def get_inbound_mode(mailbox: Mailbox) -> Mode:
    """Return the mode to freeze on mail that arrives now."""
    held = mailbox.settings.get("hold_inbound") is True
    return Mode.GATED_ALL if held else mailbox.oversight_mode


class SignedLinks:
    """Signs and checks links to attachments: HMAC-SHA256, valid for 15 minutes.

    Args:
        secret: The server's own; with it anyone can make links.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, attachment_id: str, now: datetime) -> tuple[str, datetime]:
        """Return the path of a link to an attachment, and when it expires."""
        # The link states whole seconds; so does the time that is returned.
        expires_at = (now + LINK_LIFETIME).replace(microsecond=0)
        expires = int(expires_at.timestamp())
        query = urlencode(
            {"expires": expires, "signature": self._signature(attachment_id, expires)}
        )
        return f"/v1/attachments/{attachment_id}?{query}", expires_at

    def check(self, attachment_id: str, expires: str, signature: str, now: datetime) -> None:
        """Raise a 403 unless the link was signed here and has not expired."""
        is_number = expires.isascii() and expires.isdigit() and len(expires) < 12
        timestamp = int(expires) if is_number else 0
        expected = self._signature(attachment_id, timestamp).encode()
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            raise ApiError(
                403, "bad_link", "This link was not made by this server. Request a new one."
            )
        if timestamp < now.timestamp():
            raise ApiError(403, "link_expired", "This link has expired. Request a new one.")

    def _signature(self, attachment_id: str, expires: int) -> str:
        text = f"attachment\n{attachment_id}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
