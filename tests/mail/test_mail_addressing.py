"""Replies and recipients: one prefix in the subject, addresses as the wire needs them."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable

import pytest
from tests.support.scaling import is_linear

from multimail_server.mail.addresses import (
    format_address,
    is_address,
    normalize_recipient,
    parse_addresses,
)
from multimail_server.mail.compose import OutgoingMessage, compose
from multimail_server.mail.quoting import build_reply_subject


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Lamp 7", "Re: Lamp 7"),
        ("", "Re:"),
        ("re:Lamp", "Re: Lamp"),
        ("RE: Re: AW: Lamp", "Re: Lamp"),
        ("Antw: Lamp", "Re: Lamp"),
        ("SV: Lamp", "Re: Lamp"),
        ("VS: Lamp", "Re: Lamp"),
        ("Odp: Lampa", "Re: Lampa"),
        ("YNT: Lamba", "Re: Lamba"),
        ("R: Lampada", "Re: Lampada"),
        ("RIF: Lampada", "Re: Lampada"),
        ("RES: Lâmpada", "Re: Lâmpada"),
        ("RÉP : Lampe", "Re: Lampe"),
        ("RE\u00a0: Lampe", "Re: Lampe"),
        ("Vá: Lámpa", "Re: Lámpa"),
        ("Re[2]: Lamp", "Re: Lamp"),
        ("Re(3): Lamp", "Re: Lamp"),
        ("Re^2]: Lamp", "Re: Lamp"),
        ("Re\uff1aランプ", "Re: ランプ"),
        ("回复: 灯", "Re: 灯"),
        ("答复\uff1a灯", "Re: 灯"),
        ("답장: 등", "Re: 등"),
        ("ΑΠ: Λάμπα", "Re: Λάμπα"),
        ("απ: Λάμπα", "Re: Λάμπα"),
        ("\u200fהשב: lamp", "Re: lamp"),
        ("رد: مصباح", "Re: مصباح"),
        ("Отв: Лампа", "Re: Лампа"),
        ("ตอบกลับ: โคมไฟ", "Re: โคมไฟ"),
        ("Trả lời: Đèn", "Re: Đèn"),
        ("[team] Re: Lamp", "Re: [team] Lamp"),
        ("Re: [team] AW: Lamp", "Re: [team] Lamp"),
        ("[team] Lamp", "Re: [team] Lamp"),
        ("Fwd: Lamp", "Re: Fwd: Lamp"),
        ("AW: WG: Lampe", "Re: WG: Lampe"),
        ("Re: TR : Lampe", "Re: TR : Lampe"),
        ("Report: Lamp", "Re: Report: Lamp"),
        ("Area: 51", "Re: Area: 51"),
        ("Re Lamp", "Re: Re Lamp"),
        ("Res publica", "Re: Res publica"),
        ("x" * 2000, "Re: " + "x" * 994),
    ],
)
def test_a_reply_has_one_prefix(subject: str, reply: str) -> None:
    assert build_reply_subject(subject) == reply


@pytest.mark.parametrize(
    ("given", "kept", "sent"),
    [
        ("mia@example.org", "mia@example.org", "mia@example.org"),
        ("mia@bücher.example", "mia@xn--bcher-kva.example", "mia@xn--bcher-kva.example"),
        ("mia@BÜCHER.example", "mia@xn--bcher-kva.example", "mia@xn--bcher-kva.example"),
        ("mia@例え.テスト", "mia@xn--r8jz45g.xn--zckzah", "mia@xn--r8jz45g.xn--zckzah"),
        ("mia@faß.example", "mia@xn--fa-hia.example", "mia@xn--fa-hia.example"),
        ("mia@a。example", "mia@a.example", "mia@a.example"),
        ("jörg@example.org", "jörg@example.org", "jörg@example.org"),
        ("用户@例え.example", "用户@xn--r8jz45g.example", "用户@xn--r8jz45g.example"),
        ("m..ia@phone.example", "m..ia@phone.example", '"m..ia"@phone.example'),
        ("mia.@phone.example", "mia.@phone.example", '"mia."@phone.example'),
        (".mia@phone.example", ".mia@phone.example", '".mia"@phone.example'),
        ('"mia."@phone.example', "mia.@phone.example", '"mia."@phone.example'),
    ],
)
def test_an_address_is_kept_plain_and_sent_as_the_wire_needs_it(
    make: Callable[..., OutgoingMessage], given: str, kept: str, sent: str
) -> None:
    assert normalize_recipient(given) == kept
    assert is_address(kept)
    assert format_address(kept) == sent
    head = compose(make(to=(kept,), cc=("noor@example.org", kept))).partition(b"\r\n\r\n")[0]
    assert f"\r\nTo: {sent}\r\n".encode() in head
    read = email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.SMTPUTF8)
    assert read["Cc"].addresses[1].domain == kept.rpartition("@")[2]


@pytest.mark.parametrize(
    "address",
    [
        "@example.org", ".@example.org", "mia", "mia@", "mia@bücher.example", "m ia@example.org",
        "mia@exa mple.org", "m\u200bia@example.org", "m\u3000ia@example.org", "m\r\nia@example.org",
        'm"ia@example.org', "m,ia@example.org", "<mia@example.org>", "m\\ia@example.org",
        "ö" * 33 + "@example.org", "mia@a@example.org", "mia@[192.0.2.1]",
    ],
)  # fmt: skip
def test_what_is_no_address_stays_none(address: str) -> None:
    assert not is_address(address)


@pytest.mark.parametrize("field", ["from_address", "reply_to"])
def test_the_sender_stays_ascii(make: Callable[..., OutgoingMessage], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        compose(make(**{field: "jörg@example.com"}))


@pytest.mark.parametrize("start", ["a", '"a'])
def test_blanks_in_a_list_of_addresses_take_linear_time(start: str) -> None:
    assert is_linear(lambda blanks: parse_addresses([f"{start}{blanks}b@".encode()]), " ", 60_000)
