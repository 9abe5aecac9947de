"""Quoted history: what the author wrote stays in front, and nothing is lost."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust import text
from multimail.trust.text import split_quoted

MARKED = [
    ("Yes.\n\nOn Monday Ann wrote:\n> Can you?\n>> Sure?\n", "Yes."),
    ("Ja\n\nAm Montag schrieb Ann <ann@example.com>:\n\n> Geht das?", "Ja"),
    ("Yes.\n> Can you?\n\n", "Yes."),
]
KNOWN = [
    ("Yes.\n\nOn Mon, Nov 2, 2026 at 10:00 Ann\n<ann@example.com> wrote:\n> Can you?", "Yes."),
    ("Oui\n\nLe lun. 2 nov. 2026, Ann a écrit :\n> Possible ?", "Oui"),
    ("Да.\nАнн написал(а):\n> Можно?", "Да."),  # noqa: RUF001 - Russian
    ("Yes\n\n-----Original Message-----\nFrom: Ann\nSubject: x\n\nCan you?", "Yes"),
    ("Yes\n________________________________\nFrom: Ann\nSent: Monday\n\nCan you?", "Yes"),
    ("FYI\n---------- Forwarded message ---------\nFrom: Ann\n\nHello", "FYI"),
]
WHOLE = [
    "Hello\n\nBye",
    "> Can you?\nYes, see below.",
    "On Monday Ann wrote:\n> Can you?\n\nYes I can.",
    "On Monday he wrote:\nthe following new text",
    "---------- Forwarded message ---------\nFrom: Ann\n\nHello",
    "- one\n- two\n--\nAnn",
    "List:\n---\nmore",
]


@pytest.mark.parametrize(("body", "new"), [*MARKED, *KNOWN])
def test_history_is_separated(body: str, new: str) -> None:
    pytest.importorskip("quotequail")
    written, history = split_quoted(body)
    assert written == new
    assert f"{written}\n{history}".split() == body.split()


@pytest.mark.parametrize("body", WHOLE)
def test_what_the_author_may_have_written_is_never_history(body: str) -> None:
    assert split_quoted(body) == (body, "")


def test_marked_history_is_separated_without_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text._load_quotequail.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "quotequail", None)
        for body, new in MARKED:
            assert split_quoted(body)[0] == new
        assert split_quoted(KNOWN[3][0]) == (KNOWN[3][0], "")
    text._load_quotequail.cache_clear()


LINES = st.lists(
    st.sampled_from(
        [
            "", " ", ">", "> a", ">> b", "On x wrote:", "Am x schrieb y:", "new words", "From: a",
            "-----Original Message-----", "________________________________", "a --", "  > c",
        ]
    ),
    max_size=12,
)  # fmt: skip


@given(LINES)
def test_no_line_is_lost_and_their_order_stays(lines: list[str]) -> None:
    written, history = split_quoted("\n".join(lines))
    kept = [line for line in f"{written}\n{history}".split("\n") if line.strip()]
    assert [line.rstrip() for line in kept] == [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    "piece",
    ["Am x schrieb ", "On a wrote:\n", ">\n", "> ", "--\n", "Am schrieb schrieb :--\n", "\n", "a "],
)
def test_the_time_grows_as_the_text_does(piece: str) -> None:
    assert is_linear(split_quoted, piece, 200_000)
