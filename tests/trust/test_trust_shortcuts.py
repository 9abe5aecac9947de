"""Shortcuts: what is looked for only where it can be is found as if by a look everywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust import Assessment, Label, Standing, Taint
from multimail.trust.addresses import find_addresses, normalize_address
from multimail.trust.links import _candidates
from multimail.trust.quotes import split_quoted
from multimail.trust.taint import merge_all
from multimail.trust.text import clean

ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'|=/@]{1,64}@[^\s<>()\[\],;:\"'|=/@]{1,255}")
LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]+")
HINT = re.compile("[:/.\u3002\uff0e\uff61][^\\s.,;:!?]")
ASCII = st.text(st.characters(max_codepoint=127))


@given(st.text(st.sampled_from("ab.@<>,: \n\u00e9\u200b"), max_size=60))
def test_addresses_are_found_as_in_the_whole_text(text: str) -> None:
    matches = [match.group() for match in ADDRESS.finditer(clean(text).text)]
    assert find_addresses(text) == {
        normalize_address(address.strip(".`*_~!?")) for address in matches
    }


@given(st.integers(60, 70), st.integers(250, 260), st.sampled_from(["", "@", "x@y.z ", "@@ "]))
def test_long_addresses_are_cut_as_in_the_whole_text(local: int, domain: int, before: str) -> None:
    text = f"{before}{'l' * local}@{'d' * domain}@x"
    assert find_addresses(text) == {normalize_address(address) for address in ADDRESS.findall(text)}


@pytest.mark.parametrize("piece", ["@", "a@", "@ ", "a@b ", "a@@b", "a" * 70 + "@"])
def test_the_time_to_find_addresses_grows_as_the_text_does(piece: str) -> None:
    assert is_linear(find_addresses, piece, 100_000)


@given(st.text(st.sampled_from("ab:/.,!? \n\t\u3000\u3002\u00e9"), max_size=60))
def test_links_are_looked_for_in_every_word_that_could_hold_one(text: str) -> None:
    words = [match.span() for match in re.finditer(r"\S+", text) if HINT.search(match.group())]
    assert list(_candidates(text)) == words


@given(ASCII)
def test_ascii_text_loses_its_control_characters_and_no_line(text: str) -> None:
    unified = LINE_BREAK.sub("\n", text)
    kept = CONTROL.sub("", unified)
    assert (clean(text).text, clean(text).removed) == (kept, len(unified) - len(kept))


@given(st.text(st.sampled_from("ab \n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20))
def test_every_line_break_becomes_a_line_feed(text: str) -> None:
    assert clean(text).text == LINE_BREAK.sub("\n", text)


@given(st.text(st.sampled_from("ab \n\t")))
def test_a_body_without_the_signs_of_history_has_none(text: str) -> None:
    assert split_quoted(text) == (text.rstrip(), "")


assessments = st.builds(Assessment, st.sampled_from(Label), st.just(()), st.sampled_from(Standing))
taints = st.builds(
    Taint.from_assessment, assessments, st.sets(st.sampled_from(["a@x.y", "b@x.y", "c@x.y"]))
)


@given(st.lists(taints, max_size=5))
def test_taints_are_united_as_they_would_grow(some: list[Taint]) -> None:
    grown = Taint()
    for taint in some:
        grown = grown.merge(taint)
    assert merge_all(some) == grown
