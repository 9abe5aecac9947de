"""Signing secrets of webhooks: how one is made, and the headers that prove it was used.

Two schemes stand side by side. `X-MultiMail-Signature` is the API's own: HMAC-SHA256 of the body
with the secret's text as the key, which says nothing of when. The `webhook-` headers are those of
Standard Webhooks: they sign the id and the time as well, with the bytes that the secret encodes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

PREFIX = "whsec_"
FORMATS = ("sha256=hex", "hex")
"""How `X-MultiMail-Signature` can be written; the product's pages know both."""
_BYTES = 32


def mint_signing_secret() -> str:
    """Return a new secret: `whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed_headers(
    secret: str, signature_format: str, event_id: str, now: datetime, body: bytes
) -> dict[str, str]:
    """Return the headers that sign `body`.

    Args:
        secret: As `mint_signing_secret` made it.
        signature_format: One of `FORMATS`.
        event_id: The same at each try.
        now: The moment of this try.
        body: The bytes that are posted.
    """
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    seconds = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{event_id}.{seconds}.".encode() + body
    standard = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "X-MultiMail-Signature": digest if signature_format == "hex" else f"sha256={digest}",
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{standard}",
    }
