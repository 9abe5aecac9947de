"""Payment details in text."""

from __future__ import annotations

import pytest

from multimail.trust.payment import find_payment_details


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("Pay to DE89 3704 0044 0532 0130 00 please.", {"DE89370400440532013000"}),
        ("gb82-west-1234-5698-7654-32", {"GB82WEST12345698765432"}),
        ("DE89\u200b370400440532013000", {"DE89370400440532013000"}),
        ("\uff24\uff25\uff18\uff19 3704 0044 0532 0130 00", {"DE89370400440532013000"}),
        ("DE89 3704 0044 0532 0130 0\u0130", set()),
        ("\u212aD89 3704 0044 0532 0130 00", set()),
        ("DE\u0668\u0669 3704 0044 0532 0130 00", {"DE89370400440532013000"}),
        ("DE88 3704 0044 0532 0130 00", set()),
        ("card 4111-1111-1111-1111", {"4111111111111111"}),
        ("4111 1111 1111 1112", set()),
        ("0000 0000 0000 0000", set()),
        ("IBAN XX00 4711", {"XX004711"}),
        ("account number: 1234 5678, sort code 12-34-56", {"12345678", "123456"}),
        ("Konto-Nr. 98765432", {"98765432"}),
        ("BIC: COBADEFFXXX", {"COBADEFFXXX"}),
        ("Our BTC wallet is bc1qar0srrr7xfkvy5l643", {"BC1QAR0SRRR7XFKVY5L643"}),
        ("PayPal: pay4711@evil.example", {"PAY4711@EVILEXAMPLE"}),
        ("order 4711 of 2026, +49 170 1234567, 1Z999AA10123456784", set()),
        ("your account is active since 2020", set()),
        ("my account manager, swift answer", set()),
    ],
)
def test_payment_details_are_found_by_checksum_or_by_word(text: str, details: set[str]) -> None:
    assert find_payment_details(text) == details


def test_a_detail_after_much_text_is_found() -> None:
    noise = "Account pending. DE88370400440532013000 " * 900
    assert find_payment_details(f"{noise} DE89 3704 0044 0532 0130 00") >= {
        "DE89370400440532013000"
    }
