"""`verify` returns an event if one of the secrets signed it, and raises `WebhookError` if not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import Headers as FlaskHeaders

from multimail.errors import MultiMailError
from multimail.trust.evidence import AuthResult
from multimail.webhooks import (
    EVENT_TYPES,
    MemorySeenStore,
    MessageBounced,
    MessageReceived,
    UnknownEvent,
    WebhookError,
    verify,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "message.received",
    "created_at": "2026-01-02T03:04:05.000Z",
    "message_id": "msg_1",
    "data": {
        "message_id": "msg_1",
        "mailbox": "agent@multimail.test",
        "thread_id": "thr_1",
        "from": "ann@example.org",
        "to": ["agent@multimail.test"],
        "subject": "Hello",
        "body_text": "Are you there?",
        "authentication": {"dkim": [{"domain": "example.org", "result": "pass", "aligned": True}]},
    },
}
RAW = json.dumps(EVENT).encode()


def legacy(raw: bytes = RAW, secret: str = SECRET, prefix: str = "sha256=") -> dict[str, str]:
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"X-MultiMail-Signature": prefix + digest}


def standard(
    raw: bytes = RAW, secret: str = SECRET, at: datetime = NOW, event_id: str = "evt_1"
) -> dict[str, str]:
    key, seconds = base64.b64decode(secret.removeprefix("whsec_")), int(at.timestamp())
    signature = hmac.new(key, f"{event_id}.{seconds}.".encode() + raw, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }


def both() -> dict[str, str]:
    return {**legacy(), **standard()}


def get_error_code(raw: Any, headers: Any, secrets: Any = SECRET, **options: Any) -> str:
    with pytest.raises(WebhookError) as caught:
        verify(raw, headers, secrets, **{"now": NOW, **options})
    return caught.value.code


def test_a_signed_event_is_typed() -> None:
    event = verify(RAW, both(), SECRET, now=NOW)
    assert isinstance(event, MessageReceived)
    assert (event.id, event.type, event.kind) == ("evt_1", "message.received", "message.received")
    assert (event.message_id, event.thread_id) == ("msg_1", "thr_1")
    assert (event.sender, event.subject) == ("ann@example.org", "Hello")
    assert (event.mailbox, event.to) == ("agent@multimail.test", ["agent@multimail.test"])
    assert event.body_text == "Are you there?"
    assert event.authentication is not None
    assert event.authentication.dkim[0].result is AuthResult.PASS
    assert event.created_at == event.signed_at == NOW
    assert event.payload == EVENT


def test_the_sample_of_standard_webhooks_is_accepted() -> None:
    """Source: the specification's repository, its libraries' common test vector."""
    raw = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    then = datetime.fromtimestamp(1614265330, UTC)
    assert get_error_code(raw, headers, secret, now=then) == "not_an_event"
    headers["webhook-signature"] = headers["webhook-signature"].replace("g0h", "g0i")
    assert get_error_code(raw, headers, secret, now=then) == "bad_signature"


@pytest.mark.parametrize("prefix", ["sha256=", ""])
def test_legacy_header_has_two_forms_and_no_replay_protection(prefix: str) -> None:
    event = verify(RAW, legacy(prefix=prefix), SECRET, now=NOW)
    assert (event.id, event.replay_protected, event.signed_at) == ("evt_1", False, None)
    wanted = {"require_replay_protection": True}
    assert get_error_code(RAW, legacy(prefix=prefix), **wanted) == "not_replay_protected"


def test_a_legacy_secret_need_not_be_base64() -> None:
    secret = "your_webhook_signing_secret"
    assert verify(RAW, legacy(secret=secret), secret, now=NOW).message_id == "msg_1"
    assert get_error_code(RAW, standard(), secret) == "no_secret"


def test_signed_id_and_time_protect_from_replay() -> None:
    event = verify(RAW, standard(), SECRET, now=NOW, require_replay_protection=True)
    assert event.replay_protected is True


@pytest.mark.parametrize("drift", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_the_window_has_two_sides(drift: timedelta) -> None:
    assert get_error_code(RAW, both(), now=NOW + drift) == "outside_window"
    wide = timedelta(seconds=302)
    assert verify(RAW, both(), SECRET, now=NOW + drift, tolerance=wide).id == "evt_1"


def test_the_machines_time_is_the_default() -> None:
    assert verify(RAW, standard(at=datetime.now(UTC)), SECRET).replay_protected
    with pytest.raises(WebhookError):
        verify(RAW, standard(at=datetime.now(UTC) - timedelta(hours=1)), SECRET)


def test_naive_now_is_rejected() -> None:
    assert get_error_code(RAW, standard(), now=datetime(2026, 1, 2)) == "outside_window"  # noqa: DTZ001


def test_secrets_rotate() -> None:
    for old, new in ((SECRET, OTHER), (OTHER, SECRET)):
        assert verify(RAW, both(), [old, new], now=NOW).id == "evt_1"
    assert get_error_code(RAW, both(), [OTHER]) == "bad_signature"
    twice = f"{standard(secret=OTHER)['webhook-signature']} {standard()['webhook-signature']}"
    assert verify(RAW, {**standard(), "webhook-signature": twice}, SECRET, now=NOW)


@pytest.mark.parametrize("secrets", ["", " ", "whsec_", [], [""], [SECRET, ""], None, [b"k" * 32]])
def test_an_empty_secret_is_refused(secrets: Any) -> None:
    assert get_error_code(RAW, legacy(secret=""), secrets) == "no_secret"


def test_a_short_key_signs_nothing() -> None:
    weak = "whsec_" + base64.b64encode(b"short").decode()
    assert get_error_code(RAW, standard(secret=weak), weak) == "no_secret"


@pytest.mark.parametrize("raw", [RAW.decode(), bytearray(RAW), memoryview(RAW), EVENT, None])
def test_only_bytes_are_verified(raw: Any) -> None:
    assert get_error_code(raw, both()) == "not_bytes"


def test_the_size_is_checked_before_anything_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashes(*_: object) -> bytes:
        raise AssertionError("the body was hashed")

    monkeypatch.setattr(hmac, "digest", hashes)
    assert get_error_code(b"x" * 1_048_577, both()) == "too_large"
    assert get_error_code(RAW, both(), max_bytes=10) == "too_large"


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def spy(signature: bytes, other: bytes) -> bool:
        compared.append((signature, other))
        return compare(signature, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    verify(RAW, both(), [SECRET, OTHER], now=NOW)
    assert len(compared) == 4
    assert [len(signature) for signature, _ in compared] == [32, 32, 44, 44]
    assert all(len(signature) == len(other) for signature, other in compared)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_signature"),
        ({"X-MultiMail-Signature": ""}, "bad_header"),
        ({"X-MultiMail-Signature": "sha256=" + "0" * 63}, "bad_header"),
        ({"X-MultiMail-Signature": "sha256=" + "\u0660" * 64}, "bad_header"),
        ({"X-MultiMail-Signature": "sha1=" + "0" * 64}, "bad_header"),
        ({"X-MultiMail-Signature": "0" * 64}, "bad_signature"),
        ({**both(), "X-MultiMail-Signature": "0" * 64}, "bad_signature"),
        ({**legacy(), "webhook-id": "evt_1"}, "bad_header"),
        ({**legacy(), "webhook-signature": "v1,"}, "bad_header"),
        ({**standard(), "webhook-signature": "v2,abc"}, "bad_signature"),
        ({**standard(), "webhook-signature": ""}, "bad_signature"),
        ({**standard(), "webhook-signature": "v1,"}, "bad_signature"),
        ({**standard(), "webhook-signature": "v1,%"}, "bad_signature"),
        ({**standard(), "webhook-signature": "v1, " * 20}, "bad_header"),
        ({**standard(), "webhook-timestamp": "1e9"}, "bad_header"),
        ({**standard(), "webhook-timestamp": "-1"}, "bad_header"),
        ({**standard(), "webhook-timestamp": ""}, "bad_header"),
        ({**standard(), "webhook-id": ""}, "bad_header"),
        ({**standard(event_id="a.1")}, "bad_header"),
        ([*legacy().items(), *legacy().items()], "bad_header"),
        (["x-multimail-signature"], "bad_header"),
        ({"X-MultiMail-Signature": None}, "bad_header"),
        (None, "bad_header"),
        (7, "bad_header"),
    ],
)
def test_a_malformed_header_is_refused(headers: Any, code: str) -> None:
    assert get_error_code(RAW, headers) == code


def test_a_signed_time_beyond_the_calendar_is_refused() -> None:
    seconds, key = "999999999999", base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = hmac.new(key, f"evt_1.{seconds}.".encode() + RAW, hashlib.sha256).digest()
    signed = "v1," + base64.b64encode(signature).decode()
    headers = {"webhook-id": "evt_1", "webhook-timestamp": seconds, "webhook-signature": signed}
    assert get_error_code(RAW, headers) == "outside_window"


def test_every_frameworks_headers_are_read() -> None:
    pairs = [(name.upper(), value) for name, value in both().items()]
    raw_pairs = [(name.encode(), value.encode()) for name, value in pairs]
    lower_pairs = [(name.lower(), value) for name, value in raw_pairs]
    for headers in (
        dict(pairs),
        pairs,
        raw_pairs,
        httpx.Headers(pairs),
        StarletteHeaders(raw=lower_pairs),
        FlaskHeaders(pairs),
    ):
        assert verify(RAW, headers, SECRET, now=NOW).replay_protected


def test_a_repeated_header_is_refused_in_every_framework() -> None:
    pairs = [*legacy().items()] * 2
    raw_pairs = [(name.lower().encode(), value.encode()) for name, value in pairs]
    for headers in (httpx.Headers(pairs), StarletteHeaders(raw=raw_pairs), FlaskHeaders(pairs)):
        assert get_error_code(RAW, headers) == "bad_header"


def test_seen_store_rejects_a_replay() -> None:
    seen = MemorySeenStore(lambda: NOW)
    assert verify(RAW, both(), SECRET, now=NOW, seen=seen).id == "evt_1"
    assert get_error_code(RAW, both(), seen=seen) == "replayed"
    seen.forget("evt_1")
    assert verify(RAW, both(), SECRET, now=NOW, seen=seen).id == "evt_1"


def test_later_delivery_of_an_event_is_a_replay() -> None:
    moment = [NOW]
    seen = MemorySeenStore(lambda: moment[0])
    assert verify(RAW, both(), SECRET, now=NOW, seen=seen).id == "evt_1"
    moment[0] += timedelta(hours=27, minutes=35)
    late = {**legacy(), **standard(at=moment[0])}
    assert get_error_code(RAW, late, now=moment[0], seen=seen) == "replayed"


def test_a_forged_repeat_does_not_count_as_seen() -> None:
    seen = MemorySeenStore(lambda: NOW)
    assert get_error_code(RAW, {**standard(), **legacy(secret=OTHER)}, seen=seen) == "bad_signature"
    assert verify(RAW, both(), SECRET, now=NOW, seen=seen).id == "evt_1"


def test_memory_seen_store_expires() -> None:
    moment = [NOW]
    seen = MemorySeenStore(lambda: moment[0])
    assert seen.add("evt_1", NOW + timedelta(minutes=5)) is True
    moment[0] += timedelta(minutes=5)
    assert seen.add("evt_1", NOW + timedelta(minutes=5)) is False
    moment[0] += timedelta(seconds=1)
    assert seen.add("evt_1", NOW + timedelta(minutes=5)) is True


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b'{"type": 1}', b'{"type": ""}', b"\xff", b"[" * 100_000,
            b'{"type": "x", "n": ' + b"1" * 5000 + b"}"]
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(raw: bytes) -> None:
    assert get_error_code(raw, {**legacy(raw), **standard(raw)}) == "not_an_event"


def test_every_name_of_both_vocabularies_has_its_class() -> None:
    for name, kind in EVENT_TYPES.items():
        raw = json.dumps({"id": "e", "type": name, "data": {}}).encode()
        event = verify(raw, legacy(raw), SECRET, now=NOW)
        assert (type(event), event.type) == (kind, name)
    raw = b'{"type": "message.opened", "message_id": "msg_1"}'
    event = verify(raw, legacy(raw), SECRET)
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.message_id) == ("message.opened", "msg_1")


def test_a_flat_payload_is_read_as_well() -> None:
    flat = {"type": "email.received", "email_id": "m", "from": "a@b.c", "dkim_valid": True}
    raw = json.dumps({**flat, "body_text": "t", "subject": None}).encode()
    event = verify(raw, legacy(raw), SECRET)
    assert isinstance(event, MessageReceived)
    assert (event.message_id, event.sender, event.body_text) == ("m", "a@b.c", "t")
    assert event.authentication is not None
    assert event.authentication.dkim[0].aligned is None


def test_one_odd_field_does_not_lose_the_event() -> None:
    odd = {"type": "message.bounced", "id": 5, "created_at": "yesterday", "mailbox": {"id": 1}}
    raw = json.dumps({**odd, "data": {"message_id": "m", "code": "5.1.1"}}).encode()
    event = verify(raw, legacy(raw), SECRET)
    assert isinstance(event, MessageBounced)
    assert (event.message_id, event.mailbox, event.code, event.id) == ("m", None, "5.1.1", "")
    assert event.payload["mailbox"] == {"id": 1}


def test_payload_cannot_claim_replay_protection() -> None:
    claim = {"type": "x", "replay_protected": True, "signed_at": "2026-01-02T03:04:05Z"}
    raw = json.dumps({**claim, "data": {**claim, "payload": {}, "type": "y"}}).encode()
    event = verify(raw, legacy(raw), SECRET)
    assert (event.replay_protected, event.signed_at, event.type) == (False, None, "x")


def test_error_shows_no_secret_and_no_signature() -> None:
    for headers in (legacy(secret=OTHER), standard(secret=OTHER), standard(at=NOW - timedelta(1))):
        with pytest.raises(MultiMailError) as caught:
            verify(RAW, headers, SECRET, now=NOW)
        shown = f"{caught.value} {caught.value!r}"
        assert SECRET not in shown
        assert not any(value in shown for value in headers.values() if len(value) > 12)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_the_body_is_rejected(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(RAW) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != RAW[position]))
    changed = RAW[:position] + bytes([byte]) + RAW[position + 1 :]
    for headers in (legacy(), standard(), both()):
        assert get_error_code(changed, headers) == "bad_signature"
    for cut in (RAW[:position], RAW + changed[position:]):
        assert get_error_code(cut, both()) == "bad_signature"


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_change_of_a_header_is_rejected(data: st.DataObject) -> None:
    headers = both()
    name = data.draw(st.sampled_from(sorted(headers)))
    value = data.draw(st.text(max_size=100) | _edited(headers[name]))
    if _says_the_same(name, value, headers[name]):
        return
    assert get_error_code(RAW, {**headers, name: value}) in ("bad_signature", "bad_header")


def _edited(text: str) -> st.SearchStrategy[str]:
    return st.tuples(st.integers(0, len(text) - 1), st.characters(max_codepoint=255)).map(
        lambda edit: text[: edit[0]] + edit[1] + text[edit[0] + 1 :]
    )


def _says_the_same(name: str, value: str, original: str) -> bool:
    """Hex in capitals or without its prefix is the same digest, as is a padded header."""
    bare, same = value.strip(" \t"), original.strip()
    if name == "X-MultiMail-Signature":
        known = {same[7:], same[7:].lower()}
        return bare.removeprefix("sha256=").lower() in known
    return bare == same


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["data", "id", "from", "to", "type", "authentication", "dkim", "spf", "dmarc",
             "dkim_valid", "result", "message_id", "created_at", "code", "model_config"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(payload=_JSON, name=st.sampled_from(sorted(EVENT_TYPES)))
def test_any_signed_json_is_an_event(payload: Any, name: str) -> None:
    for body in ({"type": name, "data": payload}, {"type": name, "authentication": payload}):
        raw = json.dumps(body).encode()
        event = verify(raw, legacy(raw), SECRET)
        assert isinstance(event, EVENT_TYPES[name])
        assert event.type == name


@settings(max_examples=300, deadline=None)
@given(
    raw=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from([*both(), "other"]) | st.text(max_size=5),
        st.text(max_size=80) | st.binary(max_size=80),
    ),
)
def test_any_other_request_is_a_webhook_error(raw: bytes, headers: Mapping[Any, Any]) -> None:
    with pytest.raises(WebhookError):
        verify(raw, headers, SECRET, now=NOW)
