"""Addresses: equal ones are recognized in any spelling, and no other one is taken for them."""

from __future__ import annotations

import pytest

from multimail.endpoints._arguments import parse_addresses
from multimail.errors import ConfigurationError, ValidationError
from multimail.trust.addresses import (
    AddressList,
    ascii_domain,
    find_addresses,
    normalize_address,
    strip_tag,
)

BOB, EVE = "bob@example.org", "eve@evil.example"


@pytest.mark.parametrize(
    ("seen", "used"),
    [
        ("EVE@Evil.EXAMPLE", EVE),
        (EVE, "Your Bob <eve@evil.example>"),
        (EVE, f'"{BOB}" <{EVE}>'),
        ("mailto:eve@evil.example", EVE),
        ("eve@ev\u200bil.example", EVE),
        ("e\u200bve@evil.example", EVE),
        ("eve\U000e0041@evil.example", EVE),
        ("eve@bücher.example", "eve@xn--bcher-kva.example"),
        ("eve@BÜCHER.example", "EVE@XN--BCHER-KVA.example"),
        ("eve@\uff45\uff56\uff49\uff4c.example", EVE),
        ("eve@evil.example.", EVE),
        ("e..ve@evil.example", '"e..ve"@evil.example'),
    ],
)
def test_an_address_is_recognized_in_any_spelling(seen: str, used: str) -> None:
    assert normalize_address(used) in find_addresses(f"Write to {seen} today")


@pytest.mark.parametrize(
    "other",
    ["bob+x@example.org", "bob@example.org.evil.example", "bob@sub.example.org", f"{BOB},{EVE}"],
)
def test_a_similar_address_is_another_one(other: str) -> None:
    assert normalize_address(other) != BOB
    assert normalize_address(f"Eve <{BOB.upper()}>") == BOB


def test_only_strip_tag_ignores_a_tag() -> None:
    assert strip_tag("Bob <BOB+news@Example.org>") == BOB == strip_tag(BOB)


@pytest.mark.parametrize(
    "text", [f"{BOB} <{EVE}> <{BOB}>", f"{EVE} {BOB}", f"<{BOB}>{EVE}", f"{EVE} ({BOB})"]
)
def test_text_with_two_addresses_is_not_an_address_to_send_to(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_addresses([text], "to")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("Example.ORG.", "example.org"),
        (" example.org ", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("example..org", None),
        ("-x.example", None),
        ("a b.example", None),
        ("\u0301.example", None),
        (f"{'a' * 64}.example", None),
        (f"{'a.' * 130}example", None),
        ("", None),
    ],
)
def test_a_domain_is_a_host_name_in_ascii_or_none(domain: str, expected: str | None) -> None:
    assert ascii_domain(domain) == expected


@pytest.mark.parametrize(
    ("entry", "address", "listed"),
    [
        (BOB, BOB, True),
        (BOB.upper(), BOB, True),
        (BOB, "carol@example.org", False),
        (BOB, "bob+x@example.org", False),
        ("example.org", BOB, True),
        ("@example.org", BOB, True),
        ("example.org", "bob@eu.example.org", False),
        ("example.org", "bob@notexample.org", False),
        ("*.example.org", "bob@eu.example.org", True),
        ("*.example.org", "bob@a.b.example.org", True),
        ("*.example.org", BOB, False),
        ("*.example.org", "bob@notexample.org", False),
        ("bücher.example", "bob@xn--bcher-kva.example", True),
    ],
)
def test_an_operators_list(entry: str, address: str, listed: bool) -> None:
    assert (address in AddressList([entry])) is listed
    assert (address in AddressList(entry)) is listed
    assert address not in AddressList()


@pytest.mark.parametrize("entry", ["", "nonsense", "a b@example.org", "*", "*.*", "a@b@c"])
def test_an_entry_that_is_neither_address_nor_domain_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        AddressList([entry])
