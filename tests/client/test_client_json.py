"""Responses are decoded as Python's `json` does, whichever parser is used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimail import Call, InvalidResponseError
from multimail._http import Response

READ = Call("read_email", "GET", "/x", lambda reply: reply)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ODD = [
    *(b"-0", b"1e400", b"123456789012345678901234567890", b"9007199254740993.0", b"4.9e-324"),
    *(b"Infinity", b"-Infinity", b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"'),
    *(b'{"a": 1, "a": 2}', b" [1]\r\n", b"[" * 300 + b"]" * 300, b'"\\u0000"', b"null"),
    *('{"a": 1}'.encode(code) for code in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32")),
]
WRONG = [b"[1,]", b"01", b"+1", b'"\t"', b'"\xff"', b"{1: 2}", b"1 2", b"/**/1", b'"', b"9" * 5000]


@pytest.mark.parametrize("raw", ODD, ids=lambda raw: repr(raw[:20]))
def test_unusual_json_is_decoded_as_by_python(raw: bytes) -> None:
    assert repr(READ.parse_response(Response(200, {}, raw))) == repr(json.loads(raw))


@pytest.mark.parametrize("raw", WRONG, ids=lambda raw: repr(raw[:20]))
def test_invalid_json_is_rejected_as_by_python(raw: bytes) -> None:
    with pytest.raises(ValueError) as words:  # noqa: PT011 - its text is what is compared
        json.loads(raw)
    with pytest.raises(InvalidResponseError) as caught:
        READ.parse_response(Response(200, {}, raw))
    assert str(words.value) in str(caught.value)


@given(VALUES, st.booleans())
def test_any_json_is_decoded_as_by_python(value: object, is_ascii: bool) -> None:
    raw = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert repr(READ.parse_response(Response(200, {}, raw))) == repr(json.loads(raw))
