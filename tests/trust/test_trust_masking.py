"""Masking: what would let a reader of logs act as someone else does not get there."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust.masking import DEEP, DIGITS, KEY, LINK, TOKEN, MaskingFilter, mask, mask_data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Your verification code is 482913.", f"Your verification code is {DIGITS}."),
        ("Your code:\n\n482 913\n\nBye", f"Your code:\n\n{DIGITS}\n\nBye"),
        ("482-913 is your OTP", f"{DIGITS} is your OTP"),
        ("G-123456 is your Google verification code", f"{DIGITS} is your Google verification code"),
        ("PIN: AB12CD", f"PIN: {DIGITS}"),
        ("Ihr Einmalpasswort: 4821", f"Ihr Einmalpasswort: {DIGITS}"),
        ("Recovery code ABCD-1234-WXYZ", f"Recovery code {DIGITS}"),
        ("key mm_live_abcDEF123456_-x.", f"key {KEY}."),
        ("'mm_test_aaaaaaaaaaaaaaaaaaaa'", f"'{KEY}'"),
        ("sk-proj-abcdefgh12345678", KEY),
        ("Authorization: Bearer abc.def-123456789", f"Authorization: Bearer {TOKEN}"),
        ("Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l=", f"Authorization: Basic {TOKEN}"),
        ("go https://a.example/magic/abcdef123456?x=1 now", f"go https://a.example/{LINK} now"),
        ("https://a.example/reset-password?token=abc", f"https://a.example/{LINK}"),
        ("hxxps://a[.]example/verify?code=abc", f"hxxps://a[.]example/{LINK}"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=a&b=c",
            f"https://b.s3.amazonaws.com/{LINK}",
        ),
        ("https://user:pass@h.example/x", f"https://h.example/{LINK}"),
        (
            "/v1/attachments/att_1?expires=1790000000&signature=deadbeef",
            f"/v1/attachments/att_1?expires={TOKEN}&signature={TOKEN}",
        ),
    ],
)
def test_secrets_are_masked(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert mask(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Meeting in 2026 with 1500 people in room 4021",
        "https://example.com/blog/2026/how-to-write-good-mail?page=2",
        "basic knowledge of bearer certificates",
        "Invoice 20261121 for ann@example.com",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


SECRETIVE = st.lists(
    st.sampled_from(
        [
            "code", "token", " ", "\n", "1234", "99", "-", "A1B2C3", "https://", "a.example", "/",
            "?", "&", "=", "signature=", "mm_live_", "abcdefghij", "Bearer ", "login", "@", "[",
            "]", DIGITS, TOKEN, LINK, "#", ".", "eyJabcdefgh1", "x" * 40,
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(SECRETIVE)
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_data_is_masked_all_the_way_down() -> None:
    data = {
        "api_key": "anything",
        "otp": 482913,
        "messages": [{"content": "code 482913"}, ("mm_live_abcdefghijkl", 7, None, True)],
    }
    assert mask_data(data) == {
        "api_key": TOKEN,
        "otp": TOKEN,
        "messages": [{"content": f"code {DIGITS}"}, [KEY, 7, None, True]],
    }
    assert data["api_key"] == "anything"


def test_data_without_end_is_cut() -> None:
    data: list[object] = []
    data.append(data)
    assert DEEP in str(mask_data(data))


def logged(write: Callable[[logging.Logger], None]) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter())
    logger = logging.getLogger("tests.masking")
    logger.addHandler(handler)
    try:
        write(logger)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_a_log_record_is_masked_with_its_arguments() -> None:
    assert logged(lambda log: log.warning("key %s", "mm_live_abcdefghijkl")) == f"key {KEY}\n"
    assert logged(lambda log: log.warning("code %d", 482913)) == f"code {DIGITS}\n"
    assert "mm_live" not in logged(lambda log: log.warning("%s %s", "mm_live_abcdefghijkl"))


def test_the_exception_of_a_log_record_is_masked() -> None:
    def write(log: logging.Logger) -> None:
        try:
            int("mm_live_abcdefghijkl")
        except ValueError:
            log.exception("failed", stack_info=True)

    out = logged(write)
    assert "mm_live" not in out
    assert f"ValueError: invalid literal for int() with base 10: '{KEY}'" in out


@pytest.mark.parametrize(
    "piece",
    [
        "code ", "1 ", "code 1", "A1-", "AAAA-", "http://", "http://a/", "/", "bearer a", "?", "?a",
        "&token=", "eyJaaaaaaaa.", "mm_", "code\n1234\n", "a/login/", "aaaaaaaaaaaaa1/", "words ",
    ],
)  # fmt: skip
def test_the_time_grows_as_the_text_does(piece: str) -> None:
    assert is_linear(lambda text: mask(f"code http://x.example/{text}"), piece, 100_000)
