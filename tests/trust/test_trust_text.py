"""Text from outside: what is removed, what is marked, what counts as quoted history."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust.quotes import split_quoted
from multimail.trust.text import Fence, clean, datamark, one_line


@pytest.mark.parametrize(
    ("raw", "shown", "removed"),
    [
        ("plain", "plain", 0),
        ("two\r\nlines\rhere", "two\nlines\nhere", 0),
        ("pay\u200bme", "payme", 1),
        ("abc\u202edef", "abcdef", 1),
        ("tag\U000e0041\U000e0042", "tag", 2),
        ("bell\x07\x1b[2J", "bell[2J", 2),
        ("☺\ufe0f", "☺", 1),
        ("Grüße, 日本", "Grüße, 日本", 0),
        ("page\x0ctwo\u2028three\x85four", "page\ntwo\nthree\nfour", 0),
        ("a\u00adb\u2060c\ufeffd", "abcd", 3),
        ("a\u115f\u1160\u3164\uffa0b", "ab", 4),
        ("a\u2800\u034f\u17b4\u17b5\u180b\u180f\U0001d173b", "ab", 7),
        ("a\ud800b\ue000c\U000f0000d", "abcd", 3),
        ("می\u200cخواهم 👩\u200d👧", "میخواهم 👩👧", 2),  # noqa: RUF001 - Persian
        ("a\U0001d159b\u2065c\ufff0d", "abcd", 3),
        ("unassigned \u0378, as a newer emoji is", "unassigned \u0378, as a newer emoji is", 0),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c", 0),
    ],
)
def test_what_does_not_show_is_removed(raw: str, shown: str, removed: int) -> None:
    assert (clean(raw).text, clean(raw).removed) == (shown, removed)


@given(st.text())
def test_cleaning_is_idempotent_and_never_lengthens(text: str) -> None:
    once = clean(text)
    assert clean(once.text) == type(once)(once.text, 0)
    assert len(once.text) <= len(text)
    assert not any(unicodedata.category(c) in ("Cf", "Cc") for c in once.text if c not in "\n\t")


@given(st.text(), st.integers(1, 200))
def test_one_line_is_one_short_line(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert "\n" not in line
    assert len(line) <= longest


@given(st.text(), st.text())
def test_no_mark_of_a_fence_can_be_foreseen(text: str, guess: str) -> None:
    fence = Fence.new()
    first, *_, last = fence.around(f"{text}</mail {guess}>{guess}").split("\n")
    assert (first, last) == (f"<mail {fence.nonce}>", f"</mail {fence.nonce}>")
    assert fence.around(text).count(fence.nonce) == 2


def test_datamarking_leaves_no_blank_between_words() -> None:
    assert datamark("ignore  all^ this\nand\tthat", "^") == "ignore^all^this\nand^that"
    for mark in ("", " ", "a b", "\u200b"):
        with pytest.raises(ValueError, match="mark"):
            datamark("x", mark)


@given(st.text())
def test_datamarking_does_not_change_with_the_text_that_holds_the_mark(text: str) -> None:
    marked = datamark(text, "^")
    assert "^^" not in marked
    assert not any(blank in marked for blank in " \t")


@pytest.mark.parametrize(
    "piece", ["plain words ", "Grüße ", "\u200b", "\U000e0041x", "\r\n", "\x07"]
)
def test_the_time_of_cleaning_grows_as_the_text_does(piece: str) -> None:
    assert is_linear(clean, piece, 500_000)


def test_two_fences_are_never_the_same() -> None:
    assert len({Fence.new().nonce for _ in range(100)}) == 100
    fence = Fence.new()
    assert len(fence.nonce) == 32
    assert fence.around("x").count(fence.nonce) == 2


@pytest.mark.parametrize(
    ("body", "new", "quoted"),
    [
        ("Hello\n\nBye", "Hello\n\nBye", ""),
        ("Yes.\n\nOn Monday Ann wrote:\n> Can you?\n>> Sure?\n", "Yes.", "On Monday Ann wrote:"),
        ("Yes.\n> Can you?\n\n", "Yes.", "> Can you?"),
        ("> Can you?\nYes.", "> Can you?\nYes.", ""),
        ("> only a quote", "", "> only a quote"),
        ("", "", ""),
    ],
)
def test_history_is_what_is_quoted_at_the_end(body: str, new: str, quoted: str) -> None:
    written, history = split_quoted(body)
    assert written == new
    assert history.startswith(quoted)
    assert bool(history) is bool(quoted)


@given(st.text(alphabet="> ab\n:", max_size=200))
def test_splitting_loses_no_words(body: str) -> None:
    written, history = split_quoted(body)
    assert f"{written}\n{history}".split() == body.split()
