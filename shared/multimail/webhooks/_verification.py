"""Verification of webhook requests: signatures, time window and replays."""

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

from ..errors import MultiMailError
from ._events import Event, get_event_class
from ._seen import RETENTION, SeenStore

Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str | bytes, str | bytes]]

MAX_BODY_BYTES = 1024 * 1024
TOLERANCE = timedelta(minutes=5)

_KEY_PREFIX = "whsec_"
_MIN_KEY_BYTES = 16
_MAX_SIGNATURES = 16
_LEGACY_HEADER = "x-multimail-signature"
_STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_HEX = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
# With a dot, one signed text could be split into id, time and body in two ways.
_ID = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)


class WebhookError(MultiMailError):
    """A webhook request that must not be processed. Respond 400, but 200 if `code` is `replayed`.

    `code` is one of: `not_bytes`, `too_large`, `no_secret`, `no_signature`, `bad_header`,
    `bad_signature`, `outside_window`, `not_an_event`, `not_replay_protected`, `replayed`.
    """

    default_code = "webhook_error"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The HMAC keys of the secrets, for each of the two signature schemes."""

    legacy: tuple[bytes, ...] = field(repr=False)
    standard: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What the signature covers in addition to the body."""

    event_id: str | None = None
    time: datetime | None = None


def verify(
    raw: bytes,
    headers: Headers,
    secrets: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
    seen: SeenStore | None = None,
    require_replay_protection: bool = False,
    max_bytes: int = MAX_BODY_BYTES,
) -> Event:
    """Return the event of a request that one of `secrets` signed; parses nothing before that.

    Every signature header in the request has to be valid. The headers of Standard Webhooks sign
    the id and the time too. `X-MultiMail-Signature` signs only the body, so a recorded request can
    be sent again: the event then has `replay_protected=False`.

    Args:
        raw: The request body, unchanged.
        headers: The request headers, a mapping or pairs; names in any case.
        secrets: The signing secret, `whsec_…`; several during a rotation.
        tolerance: The most that the signed time may differ from `now`.
        now: The current time, with a time zone; default the system's.
        seen: Rejects an event whose id was seen within two days, and marks this one as seen. If
            handling it fails, call `seen.forget(event.id)`, or the next delivery is rejected. For
            work that can be repeated, call `seen.has` before it and `seen.add` after it instead.
        require_replay_protection: Reject a request without the headers of Standard Webhooks.
        max_bytes: A longer body is rejected before it is hashed.

    Raises:
        WebhookError: The request or the secrets are invalid; see `code`.
        SessionStoreUnavailableError: `seen` is unavailable. Respond 500: the event is delivered
            again.
    """
    if not isinstance(raw, bytes):
        raise _error("not_bytes", "The body is not bytes: pass it unchanged, not decoded")
    if len(raw) > max_bytes:
        raise _error("too_large", f"The body is longer than {max_bytes:,} bytes")
    now = now or datetime.now(UTC)
    keys, signatures = _parse_secrets(secrets), _select_signature_headers(headers)
    signed = _verify_signatures(raw, signatures, keys, tolerance, now)
    if require_replay_protection and signed.time is None:
        raise _error("not_replay_protected", "The request's time is not signed")
    event = _parse_event(raw, signed)
    # Each retry is signed with a new time, so that the time window alone doesn't reject it.
    until = now + max(RETENTION, 2 * tolerance)
    if seen is not None and event.id and not seen.add(event.id, until):
        raise _error("replayed", f"Event {event.id[:100]!r} was seen before")
    return event


def _parse_secrets(secrets: str | Sequence[str]) -> _Keys:
    values = [secrets] if isinstance(secrets, str) else list(secrets or ())
    stripped = [value.strip() if isinstance(value, str) else "" for value in values]
    usable = [value for value in stripped if value not in ("", _KEY_PREFIX)]
    if not values or len(usable) != len(values):
        raise _error("no_secret", "A signing secret is missing or empty")
    decoded = map(_decode_secret, usable)
    return _Keys(
        tuple(value.encode("utf-8", "surrogatepass") for value in usable),
        tuple(key for key in decoded if len(key) >= _MIN_KEY_BYTES),
    )


def _decode_secret(secret: str) -> bytes:
    """Return the key that a `whsec_` secret encodes; empty if it has another form."""
    if not secret.startswith(_KEY_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _select_signature_headers(headers: Headers) -> dict[str, str]:
    """Return the signature headers, each of which may occur once."""
    selected: dict[str, str] = {}
    for name, value in _iter_signature_headers(headers):
        if name in selected:
            raise _error("bad_header", f"The header {name} occurs twice")
        selected[name] = value.strip(" \t")
    return selected


def _iter_signature_headers(headers: Headers) -> Iterable[tuple[str, str]]:
    try:
        # httpx joins repeated headers in items(), but not in multi_items().
        items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
        pairs: Any = items() if items else headers
        for name, value in pairs:
            lower = _decode_header(name).lower()
            if lower == _LEGACY_HEADER or lower in _STANDARD_HEADERS:
                yield lower, _decode_header(value)
    except (TypeError, ValueError, AttributeError):
        raise _error("bad_header", "The headers are not pairs of name and value") from None


def _decode_header(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise TypeError("a header is text")


def _verify_signatures(
    raw: bytes, headers: Mapping[str, str], keys: _Keys, tolerance: timedelta, now: datetime
) -> _Signed:
    standard = [name for name in _STANDARD_HEADERS if name in headers]
    if not standard and _LEGACY_HEADER not in headers:
        raise _error("no_signature", "The request has no signature header")
    if _LEGACY_HEADER in headers:
        _verify_legacy(raw, headers[_LEGACY_HEADER], keys)
    if not standard:
        return _Signed()
    if len(standard) != len(_STANDARD_HEADERS):
        raise _error("bad_header", f"The request lacks one of {', '.join(_STANDARD_HEADERS)}")
    return _verify_standard(raw, headers, keys, tolerance, now)


def _verify_legacy(raw: bytes, header: str, keys: _Keys) -> None:
    match = _HEX.fullmatch(header)
    if match is None:
        raise _error("bad_header", "X-MultiMail-Signature is not an HMAC-SHA256 in hex")
    signature = bytes.fromhex(match[1])
    _require_match([signature], [hmac.digest(key, raw, hashlib.sha256) for key in keys.legacy])


def _verify_standard(
    raw: bytes, headers: Mapping[str, str], keys: _Keys, tolerance: timedelta, now: datetime
) -> _Signed:
    event_id, seconds, header = (headers[name] for name in _STANDARD_HEADERS)
    if _ID.fullmatch(event_id) is None or _SECONDS.fullmatch(seconds) is None:
        raise _error("bad_header", "webhook-id or webhook-timestamp is malformed")
    if not keys.standard:
        raise _error("no_secret", "webhook-signature needs a secret of the form whsec_<base64>")
    content = f"{event_id}.{seconds}.".encode() + raw
    digests = [hmac.digest(key, content, hashlib.sha256) for key in keys.standard]
    # Compared as base64 text: several texts decode to the same bytes.
    _require_match(_parse_signatures(header), [base64.b64encode(digest) for digest in digests])
    try:
        time = datetime.fromtimestamp(int(seconds), UTC)
        is_outside_window = abs(now - time) > tolerance
    except (ValueError, OverflowError, OSError, TypeError):
        raise _error("outside_window", "The signed time, or `now`, can't be compared") from None
    if is_outside_window:
        raise _error("outside_window", f"The signed time is more than {tolerance} from now")
    return _Signed(event_id, time)


def _parse_signatures(header: str) -> list[bytes]:
    """Return the signatures of version 1; those of other versions are ignored."""
    parts = header.split(" ")
    if len(parts) > _MAX_SIGNATURES:
        raise _error("bad_header", f"webhook-signature has over {_MAX_SIGNATURES} signatures")
    signatures = (part.removeprefix("v1,") for part in parts if part.startswith("v1,"))
    return [signature.encode("utf-8", "replace") for signature in signatures]


def _require_match(signatures: Sequence[bytes], expected: Sequence[bytes]) -> None:
    """Compare all pairs in constant time, without an early exit."""
    matches = [hmac.compare_digest(a, b) for a in signatures for b in expected]
    if not any(matches):
        raise _error("bad_signature", "The signature doesn't match this body and secret")


def _parse_event(raw: bytes, signed: _Signed) -> Event:
    try:
        payload = json.loads(raw.decode())
        if not isinstance(payload, dict):
            raise _error("not_an_event", "The signed body is not a JSON object")
        event_class = get_event_class(payload.get("type"))
        return event_class.parse(payload, event_id=signed.event_id, signed_at=signed.time)
    except (ValueError, RecursionError, ValidationError):
        raise _error("not_an_event", "The signed body is not an event in JSON") from None


def _error(code: str, message: str) -> WebhookError:
    return WebhookError(message, code=code, remedy="Do not process this request.")
