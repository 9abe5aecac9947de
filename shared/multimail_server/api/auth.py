"""Authentication: the principal of a request's API key, and signed links that need no key."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.datastructures import Headers

from ..api_keys import digest_key
from ..errors import ApiError
from ..services import Principal
from ..store.protocol import Store

LINK_LIFETIME = timedelta(minutes=15)


def authenticate(headers: Headers, store: Store) -> Principal:
    """Return the principal of `Authorization: Bearer` or `X-API-Key`; raise a 401 without one."""
    secret = _get_secret(headers)
    if secret is None:
        raise _build_unauthenticated(
            "missing_key",
            "This request has no API key. Send it as `Authorization: Bearer mm_…` or `X-API-Key`.",
        )
    key = store.read(lambda tx: tx.key_by_sha256(digest_key(secret)))
    if key is None or key.revoked_at is not None:
        raise _build_unauthenticated(
            "invalid_key", "This API key is unknown on this server, or it was revoked."
        )
    scopes = frozenset(key.scopes)
    return Principal(key.id, key.account_id, key.name, scopes, key.live, key.mailbox_id)


def _get_secret(headers: Headers) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key", "").strip() or None


def _build_unauthenticated(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, headers={"WWW-Authenticate": 'Bearer realm="multimail"'})


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
