"""Invalid arguments are rejected before any request; the error code names the argument."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from tests.client.support import Connect, unreachable

from multimail import ValidationError
from multimail.endpoints._arguments import (
    check_subject,
    format_datetime,
    parse_address,
    parse_addresses,
    path_segment,
)

SEND = ("send_email", {"to": "bob@y.test", "subject": "S", "body": "B"})
REPLY = ("reply_email", {"email_id": "em_1", "body": "B"})
FAR = timezone(-timedelta(hours=12))


def but(method: tuple[str, dict[str, Any]], **changed: Any) -> tuple[str, dict[str, Any]]:
    return method[0], {**method[1], **changed}


BAD_ADDRESSES = [
    "bob",
    "bob@",
    "@y.test",
    "bob@y",
    "bob@@y.test",
    "bob@y..test",
    "bob@-y.test",
    "..@y.test",
    "bo b@y.test",
    "bob@y.test\r\nBcc: eve@z.test",
    "bob@y.test\x00",
    "bo\x85b@y.test",
    "bob@y.test>",
    "Bob <bob@y.test> <eve@z.test>",
    "Bob\n <bob@y.test>",
    "b" * 65 + "@y.test",
    "bob@" + "y" * 64 + ".test",
    "bob@" + "y." * 130 + "test",
    "bob\ud800@y.test",
]

REFUSED: list[tuple[str, tuple[str, dict[str, Any]]]] = [
    *[("to", but(SEND, to=[value])) for value in BAD_ADDRESSES],
    *[("to", but(SEND, to=value)) for value in ("", [], [" "], "bob@y.test, bob", [7], 7)],
    ("cc", but(SEND, cc="bob")),
    *[("cc", but(SEND, cc=f"ann@{label}.example")) for label in ("xn--zz", "xn--a", "xn--ann-")],
    ("bcc", but(REPLY, bcc=["a@y.test", "bob@"])),
    ("email", ("add_contact", {"email": "bob\r\n@y.test"})),
    ("address", ("create_mailbox", {"address": "bo b@y.test"})),
    ("to", but(SEND, to=[f"a{n}@y.test" for n in range(51)])),
    ("bcc", but(SEND, bcc=",".join(f"a{n}@y.test" for n in range(51)))),
    *[
        ("subject", but(SEND, subject=value))
        for value in (
            "a\r\nBcc: eve@z.test",
            "a\nb",
            "a\x00",
            "a\x85b",
            "a\u2028b",
            "x" * 999,
            5,
            None,
        )
    ],
    *[
        ("body", but(SEND, body=value))
        for value in ("", " \n", None, "x" * 262_145, "half \ud83d", 5)
    ],
    ("body", but(SEND, markdown="other")),
    *[
        ("send_at", but(SEND, send_at=value))
        for value in (
            datetime(2026, 12, 1),  # noqa: DTZ001
            "2026-12-01T09:00:00",
            "2026-12-01",
            "tomorrow",
            5,
            datetime(9999, 12, 31, 23, 59, tzinfo=FAR),
        )
    ],
    ("date_after", ("check_inbox", {"date_after": datetime(2026, 12, 1)})),  # noqa: DTZ001
    ("date_before", ("check_inbox", {"date_before": "yesterday"})),
    ("limit", ("check_inbox", {"limit": 0})),
    ("limit", ("check_inbox", {"limit": 101})),
    ("status", ("check_inbox", {"unread_only": True, "status": "archived"})),
    *[
        (argument, (method, {argument: value, **more}))
        for method, argument, more in (
            ("read_email", "email_id", {}),
            ("get_thread", "thread_id", {}),
            ("cancel_message", "message_id", {}),
            ("reply_email", "email_id", {"body": "B"}),
            ("delete_tag", "key", {"email_id": "em_1"}),
            ("download_attachment", "filename", {"email_id": "em_1"}),
            ("revoke_api_key", "key_id", {}),
            ("delete_webhook", "webhook_id", {}),
            ("get_domain", "domain_id", {}),
            ("delete_contact", "contact_id", {}),
            ("remove_suppression", "address", {}),
            ("get_approval", "token", {}),
            ("report_spam", "email_id", {}),
        )
        for value in ("", " ", ".", "..", "a\nb", "a\x7f", "x" * 513, "\ud800")
    ],
    ("mailbox", but(SEND, from_address="a@x.test", mailbox="b@x.test")),
    ("idempotency_key", but(SEND, idempotency_key="x" * 256)),
    ("idempotency_key", but(SEND, idempotency_key="a\nb")),
    ("decision", ("decide_email", {"message_id": "em_1", "decision": "maybe"})),
    ("tag", ("tag_email", {"email_id": "em_1"})),
    ("oversight_mode", ("update_mailbox", {"oversight_mode": "free"})),
    ("oversight_mode", ("request_upgrade", {"target_mode": "free"})),
    ("oversight_mode", ("create_mailbox", {"address": "new", "oversight_mode": "free"})),
    *[
        ("attachments", but(SEND, attachments=value))
        for value in (
            "/no/such/file.pdf",
            Path("/no/such/file.pdf"),
            "/",
            "nul\x00.txt",
            [("a.txt", "text")],
            [("a\r\nX: y.txt", b"x")],
            [(7, b"x")],
            5,
            [None],
            {"name": "a.txt"},
            {"content_base64": "aGk="},
            {"name": "a.txt", "content_base64": b"aGk="},
            {"name": "a.txt", "content_base64": "aGk=", "content_type": "text/plain\r\nX: y"},
        )
    ],
]


@pytest.mark.parametrize(
    ("argument", "call"), REFUSED, ids=[f"{call[0]}-{argument}" for argument, call in REFUSED]
)
async def test_invalid_argument_is_rejected_before_any_request(
    connect: Connect, argument: str, call: tuple[str, dict[str, Any]]
) -> None:
    method, args = call
    with pytest.raises(ValidationError) as caught:
        await getattr(connect(unreachable, mailbox="mb_1"), method)(**args)
    error = caught.value
    assert error.message.startswith(f"{argument}: ")
    assert "nothing was changed" in str(error)
    assert error.status_code is None
    assert error.code == f"invalid_{argument}"
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "metadata",
    [{"when": datetime(2026, 12, 1, tzinfo=UTC)}, {"ratio": float("nan")}, {"a": "\ud800"}],
    ids=["a date", "not a number", "half a character"],
)
async def test_metadata_must_be_json(connect: Connect, metadata: dict[str, Any]) -> None:
    api = connect(unreachable, mailbox="mb_1")
    with pytest.raises(ValidationError, match="cannot be written as JSON") as caught:
        await api.send_email("bob@y.test", "S", "B", metadata=metadata)
    assert "nothing was changed" in str(caught.value)


@pytest.mark.parametrize("text", ["\ud800", "half \udfff"])
async def test_lone_surrogate_in_a_query_is_rejected(connect: Connect, text: str) -> None:
    api = connect(unreachable, mailbox="mb_1")
    with pytest.raises(ValidationError):
        await api.check_inbox(subject_contains=text)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("bob@y.test", "bob@y.test"),
        (" bob@y.test ", "bob@y.test"),
        ("Bob Q. <bob@y.test>", "bob@y.test"),
        ('"Q, Bob" <bob+x@mail.y.test>', "bob+x@mail.y.test"),
        ("<bob@y.test>", "bob@y.test"),
        ("o'neil_99%a@y-z.co.uk", "o'neil_99%a@y-z.co.uk"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("b..ob.@y.test", "b..ob.@y.test"),
    ],
)
def test_parse_address_with_or_without_a_name(given: str, plain: str) -> None:
    assert parse_address(given, "to") == plain


def test_parse_addresses_from_text_or_list() -> None:
    wanted = ["a@y.test", "b@y.test"]
    assert parse_addresses("a@y.test, Bo <b@y.test>,", "to") == wanted
    assert parse_addresses(iter(["a@y.test", "b@y.test", "A@y.test"]), "to") == wanted
    assert parse_addresses(None, "cc") == []
    assert len(parse_addresses([f"a{n}@y.test" for n in range(50)], "to")) == 50


def test_the_longest_subject_and_body_are_accepted() -> None:
    from multimail.endpoints import send_email

    call = send_email("bob@y.test", "x" * 998, "y" * 262_144)
    assert call.json is not None
    assert (len(call.json["subject"]), len(call.json["markdown"])) == (998, 262_144)


_ANY = st.text(alphabet=st.characters(), max_size=30)
_NEAR = st.text(alphabet='ab.@<>,\r\n\t\x00\x1f\x7f\x85\u2028\u2029 "\\-', max_size=30)
_DOMAINS = st.builds("{}@{}.test".format, _ANY, _ANY)
_QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def breaks_a_line(text: str) -> bool:
    return any(unicodedata.category(value) in ("Cc", "Zl", "Zp", "Cs") for value in text)


@_QUICK
@hypothesis_given(_ANY | _NEAR | _DOMAINS | st.builds("{}<a@b.test>{}".format, _NEAR, _NEAR))
@example("a@b.test\n")
@example("a\x85@b.test")
@example("<a@b.test\u2028>")
def test_accepted_address_has_no_control_character(text: str) -> None:
    try:
        plain = parse_address(text, "to")
    except ValidationError:
        return
    assert not breaks_a_line(plain)
    assert plain.count("@") == 1
    assert not set(plain) & set(' <>,"()')


@_QUICK
@hypothesis_given(_ANY | _NEAR)
def test_accepted_subject_has_no_control_character(text: str) -> None:
    try:
        subject = check_subject(text)
    except ValidationError:
        assert breaks_a_line(text)
        return
    assert subject == text
    assert not breaks_a_line(text)
    assert len(subject.splitlines()) <= 1


@_QUICK
@hypothesis_given(_ANY | _NEAR | st.text(alphabet="./%?#&\\", max_size=8))
def test_accepted_id_is_one_path_segment(text: str) -> None:
    try:
        value = path_segment(text, "email_id")
    except ValidationError:
        return
    assert value.isascii()
    assert not set(value) & set("/?#\\ &{}")
    assert value not in (".", "..")


@_QUICK
@hypothesis_given(st.datetimes(timezones=st.timezones()) | _ANY)
def test_datetime_is_formatted_in_utc_or_rejected(value: Any) -> None:
    try:
        text = format_datetime(value, "send_at")
    except ValidationError:
        return
    assert text is not None
    assert text.endswith("Z")
    if isinstance(value, datetime):
        off = abs(datetime.fromisoformat(text) - value)
        assert off < timedelta(milliseconds=1)
