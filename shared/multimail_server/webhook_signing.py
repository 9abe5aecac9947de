"""Webhook signatures: signing secrets and the headers that sign a request.

There are two schemes. `X-MultiMail-Signature` is the API's own: HMAC-SHA256 of the body with the
secret's text as the key. The `webhook-` headers follow Standard Webhooks: they also sign the id and
the time, with the bytes that the secret encodes as the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

PREFIX = "whsec_"
FORMATS = ("sha256=hex", "hex")
"""The formats of `X-MultiMail-Signature` in the product pages."""
_BYTES = 32


def generate_signing_secret() -> str:
    """Return a new secret: `whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def build_signature_headers(
    secret: str, signature_format: str, event_id: str, now: datetime, body: bytes
) -> dict[str, str]:
    """Return the headers that sign `body`.

    Args:
        secret: From `generate_signing_secret`.
        signature_format: One of `FORMATS`.
        event_id: The id of the event, the same in every attempt.
        now: The time of this attempt.
        body: The request body.
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
