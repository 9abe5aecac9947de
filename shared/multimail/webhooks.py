"""Webhooks: proves that an event comes from the API, and reads it.

    from multimail.webhooks import MessageReceived, WebhookError, verify

    event = verify(raw_body, request.headers, os.environ["MULTIMAIL_WEBHOOK_SECRET"])
    if isinstance(event, MessageReceived):
        email = client.read_email(event.message_id)

A signature proves who posted the event, not who wrote the mail: fetch the message by its id and
ask `multimail.trust.TrustPolicy.admit` about it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from .errors import MultiMailError
from .webhook_events import (
    EVENT_TYPES,
    Event,
    MessageBounced,
    MessageComplained,
    MessageDelivered,
    MessageReceived,
    MessageSent,
    OversightApproved,
    OversightPending,
    OversightRejected,
    UnknownEvent,
    event_class,
)
from .webhook_seen import (
    REMEMBERED,
    MemorySeenStore,
    RedisSeenStore,
    SeenStore,
    SqliteSeenStore,
)

__all__ = [
    "EVENT_TYPES",
    "Event",
    "MemorySeenStore",
    "MessageBounced",
    "MessageComplained",
    "MessageDelivered",
    "MessageReceived",
    "MessageSent",
    "OversightApproved",
    "OversightPending",
    "OversightRejected",
    "RedisSeenStore",
    "SeenStore",
    "SqliteSeenStore",
    "UnknownEvent",
    "WebhookError",
    "verify",
]

Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str | bytes, str | bytes]]

MAX_BYTES = 1024 * 1024
TOLERANCE = timedelta(minutes=5)

_PREFIX = "whsec_"
_LEAST_KEY_BYTES = 16
_MOST_SIGNATURES = 16
_LEGACY = "x-multimail-signature"
_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
_HEX = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
# A dot would let one signed text be cut into an id, a time and a body in two ways.
_ID = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)


class WebhookError(MultiMailError):
    """An event that must not be acted on. Answer 400, but 200 where `code` is `replayed`.

    `code` is one of: `not_bytes`, `too_large`, `no_secret`, `no_signature`, `bad_header`,
    `bad_signature`, `outside_window`, `not_an_event`, `not_replay_protected`, `replayed`.
    """

    default_code = "webhook_error"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that secrets stand for, in each of the two schemes."""

    legacy: tuple[bytes, ...] = field(repr=False)
    standard: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a signature vouches for beside the body."""

    event_id: str | None = None
    moment: datetime | None = None


def verify(
    raw: bytes,
    headers: Headers,
    secrets: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
    seen: SeenStore | None = None,
    require_replay_protection: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Event:
    """Return the event in a request, if one of `secrets` signed it; parse nothing before that.

    Every signature header that is there has to be right. Standard Webhooks' headers sign the id
    and the time too; `X-MultiMail-Signature` signs the body alone, so whoever once recorded such
    a request can send it again: the event then says `replay_protected=False`.

    Args:
        raw: The request's body, byte for byte as it came.
        headers: The request's headers: a mapping, or pairs; names in any case.
        secrets: The signing secret, `whsec_…`; several while one replaces another.
        tolerance: How far the signed time may be from `now`.
        now: The present moment, aware; the machine's time when not given.
        seen: Rejects an event whose id came before, within two days. An event counts as seen from
            here on: where handling it fails, forget it again, or the next delivery will be
            rejected. `multimail.webhook_seen` says when to mark it later instead.
        require_replay_protection: Refuse a request without Standard Webhooks' headers.
        max_bytes: A longer body is refused before it is hashed.

    Raises:
        WebhookError: For whatever is wrong with the request or the secrets.
        MemoryUnavailableError: `seen` cannot be reached. Answer 500: the event comes again.
    """
    if not isinstance(raw, bytes):
        raise _error("not_bytes", "The body is not bytes: pass it as it came, not decoded")
    if len(raw) > max_bytes:
        raise _error("too_large", f"The body is longer than {max_bytes:,} bytes")
    keys, found = _keys(secrets), _signature_headers(headers)
    proof = _verified(raw, found, keys, tolerance, now or datetime.now(UTC))
    if require_replay_protection and proof.moment is None:
        raise _error("not_replay_protected", "The request's time is not signed")
    event = _parsed(raw, proof)
    if seen is not None and event.id:
        # A later try is signed anew: the window alone would let it through.
        until = (now or datetime.now(UTC)) + max(REMEMBERED, 2 * tolerance)
        if not seen.add(event.id, until):
            raise _error("replayed", f"Event {event.id[:100]!r} came before")
    return event


def _keys(secrets: str | Sequence[str]) -> _Keys:
    texts = [secrets] if isinstance(secrets, str) else list(secrets or ())
    stripped = [text.strip() if isinstance(text, str) else "" for text in texts]
    usable = [text for text in stripped if text not in ("", _PREFIX)]
    if not texts or len(usable) != len(texts):
        raise _error("no_secret", "A signing secret is missing or empty")
    decoded = (_decoded(text) for text in usable)
    return _Keys(
        tuple(text.encode("utf-8", "surrogatepass") for text in usable),
        tuple(key for key in decoded if len(key) >= _LEAST_KEY_BYTES),
    )


def _decoded(secret: str) -> bytes:
    """Return the key bytes that a secret encodes; none where it is in another form."""
    if not secret.startswith(_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _signature_headers(headers: Headers) -> dict[str, str]:
    """Return the headers that matter, each of which may stand there once."""
    found: dict[str, str] = {}
    for name, value in _pairs(headers):
        if name in found:
            raise _error("bad_header", f"The header {name} stands there twice")
        found[name] = value.strip(" \t")
    return found


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    try:
        # Mappings of httpx join repeated headers in items(); multi_items() does not.
        items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
        pairs: Any = items() if items else headers
        for name, value in pairs:
            lower = _text(name).lower()
            if lower == _LEGACY or lower in _STANDARD:
                yield lower, _text(value)
    except (TypeError, ValueError, AttributeError):
        raise _error("bad_header", "The headers are not names with values") from None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise TypeError("a header is text")


def _verified(
    raw: bytes, found: Mapping[str, str], keys: _Keys, tolerance: timedelta, now: datetime
) -> _Proof:
    standard = [name for name in _STANDARD if name in found]
    if not standard and _LEGACY not in found:
        raise _error("no_signature", "The request has no signature header")
    if _LEGACY in found:
        _check_legacy(raw, found[_LEGACY], keys)
    if not standard:
        return _Proof()
    if len(standard) != len(_STANDARD):
        raise _error("bad_header", f"Of {', '.join(_STANDARD)} only some are there")
    return _check_standard(raw, found, keys, tolerance, now)


def _check_legacy(raw: bytes, header: str, keys: _Keys) -> None:
    match = _HEX.fullmatch(header)
    if match is None:
        raise _error("bad_header", "X-MultiMail-Signature is not an HMAC-SHA256 in hex")
    given = bytes.fromhex(match[1])
    _check_any([given], [hmac.digest(key, raw, hashlib.sha256) for key in keys.legacy])


def _check_standard(
    raw: bytes, found: Mapping[str, str], keys: _Keys, tolerance: timedelta, now: datetime
) -> _Proof:
    event_id, seconds, header = (found[name] for name in _STANDARD)
    if _ID.fullmatch(event_id) is None or _SECONDS.fullmatch(seconds) is None:
        raise _error("bad_header", "webhook-id or webhook-timestamp is malformed")
    if not keys.standard:
        raise _error("no_secret", "No secret is `whsec_` and base64, as webhook-signature needs")
    signed = f"{event_id}.{seconds}.".encode() + raw
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in keys.standard]
    # Compared as text: base64 can spell the same bytes in several ways.
    _check_any(_standard_signatures(header), [base64.b64encode(digest) for digest in digests])
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
        late = abs(now - moment) > tolerance
    except (ValueError, OverflowError, OSError, TypeError):
        raise _error("outside_window", "The signed time, or `now`, cannot be compared") from None
    if late:
        raise _error("outside_window", f"The signed time is more than {tolerance} from now")
    return _Proof(event_id, moment)


def _standard_signatures(header: str) -> list[bytes]:
    """Return the version 1 signatures of a header; others, of versions to come, are left out."""
    parts = header.split(" ")
    if len(parts) > _MOST_SIGNATURES:
        raise _error("bad_header", f"webhook-signature has over {_MOST_SIGNATURES} signatures")
    ours = (part.removeprefix("v1,") for part in parts if part.startswith("v1,"))
    return [signature.encode("utf-8", "replace") for signature in ours]


def _check_any(given: Sequence[bytes], right: Sequence[bytes]) -> None:
    """Compare each with each, in constant time, and never stop early."""
    matches = [hmac.compare_digest(one, other) for one in given for other in right]
    if not any(matches):
        raise _error("bad_signature", "The signature is not one of this body and this secret")


def _parsed(raw: bytes, proof: _Proof) -> Event:
    try:
        payload = json.loads(raw.decode())
        if not isinstance(payload, dict):
            raise _error("not_an_event", "The signed body is not a JSON object")
        kind = event_class(payload.get("type"))
        return kind.read(payload, event_id=proof.event_id, signed_at=proof.moment)
    except (ValueError, RecursionError, ValidationError):
        raise _error("not_an_event", "The signed body is not an event in JSON") from None


def _error(code: str, message: str) -> WebhookError:
    return WebhookError(message, code=code, remedy="Do not act on this request.")
