"""Message-IDs as mail programs write them, and the names that a relay gives."""

from __future__ import annotations

import pytest

from multimail_server.mail.message_ids import (
    get_lookup_keys,
    is_writable_id,
    parse_message_ids,
    parse_own_id,
    parse_relay_ids,
)

LONG = "x" * 900
SES = "0102018f00000001-1a2b3c4d-000000"


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("<a@b>", ["<a@b>"]),
        ("<a@b> <c@d>, <a@b>\r\n\t<e@f>", ["<a@b>", "<c@d>", "<e@f>"]),
        ("a@b", ["<a@b>"]),
        ("a@b c@d;", ["<a@b>", "<c@d>"]),
        ("plain", ["<plain>"]),
        ("<plain>", ["<plain>"]),
        ("two words", []),
        ("job 7 of ann@b", ["<job 7 of ann@b>"]),
        ("<job 7 of ann@b>", ["<job 7 of ann@b>"]),
        ("<job\r\n 7 of ann@b>", ["<job 7 of ann@b>"]),
        ("<<a@b>>", ["<a@b>"]),
        ("< a@b >", ["<a@b>"]),
        ("<a@b", ["<a@b>"]),
        ("a@b>", ["<a@b>"]),
        ("(of (last) Monday) <a@b> (said <x@y>)", ["<a@b>"]),
        ("a@b (a comment)", ["<a@b>"]),
        ("(never closed <a@b>", ["<a@b>"]),
        ('Your message of "Monday <x@y>" <a@b>', ["<a@b>"]),
        ("Mail of ann@example.org on Monday <a@b>", ["<a@b>"]),
        ('"<a@b>"', ["<a@b>"]),
        ('"a@b"', ["<a@b>"]),
        ('<"a b"@c>', ['<"a b"@c>']),
        ("<a(b)@c>", ["<a(b)@c>"]),
        ("=?utf-8?q?=3Ca=40b=3E?=", ["<a@b>"]),
        ("<>", []),
        ("< >", []),
        ("", []),
        (f"<{LONG}>", [f"<{LONG}>"]),
        (f"<{LONG}x>", []),
        (LONG + "@b", []),
    ],
)
def test_ids_are_read_with_their_exact_characters(value: str, ids: list[str]) -> None:
    assert list(parse_message_ids([value.encode()])) == ids
    assert parse_own_id([value.encode()]) == (ids[0] if len(ids) == 1 else None)


def test_of_many_references_the_first_and_the_last_stay() -> None:
    ids = [f"<{number}@example.org>" for number in range(5000)]
    assert parse_message_ids([" ".join(ids).encode()]) == (ids[0], *ids[-199:])
    assert parse_message_ids([b"<a@b>", b"<a@b> <c@d>"]) == ("<a@b>", "<c@d>")


@pytest.mark.parametrize("filler", ["<", '"', "(", '"\\', "<a", "(a", "=?utf-8?q?", "a@b "])
def test_no_field_takes_long_to_read(filler: str) -> None:
    assert len(parse_message_ids([filler.encode() * 100_000])) <= 200


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        (f"Ok {SES}", [f"<{SES}@*>"]),
        ("OK: queued as <202611301700.1234@mx.test>", ["<202611301700.1234@mx.test>"]),
        (f"2.6.0 <{SES}@mx.test> [InternalId=1234567890123456789]", [f"<{SES}@mx.test>"]),
        (f"2.0.0 OK {SES}@mx.test queued", [f"<{SES}@mx.test>"]),
        (f"2.0.0 OK id={SES}", [f"<{SES}@*>"]),
        ("2.6.0 <new-1@mx.test> queued", ["<new-1@mx.test>"]),
        ("2.0.0 OK, for ann@other.test", []),
        ("2.0.0 Ok: queued as 4ABC12345", []),
        ("accepted by multimail-relay-host-number-1.example.com", []),
        ("message-was-accepted-for-delivery", []),
        ("", []),
    ],
)  # fmt: skip
def test_the_names_that_a_relay_gives(reply: str, names: list[str]) -> None:
    assert list(parse_relay_ids(reply)) == names


def test_the_keys_of_an_id() -> None:
    region = f"<{SES}@eu-west-1.amazonses.com>"
    assert get_lookup_keys(region) == (region, f"<{SES}@*>")
    assert get_lookup_keys("<a b@c>") == ("<a b@c>", "<ab@c>")
    assert [is_writable_id(id_) for id_ in ("<a b@c>", "<a\r\nb>", "a@b", "<a<b>", "<ü@c>")] == [
        True, False, False, False, False,
    ]  # fmt: skip
