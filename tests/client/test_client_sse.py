"""The parser of server-sent events, by the examples and the grammar of WHATWG HTML, section 9.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimail import _sse
from multimail._sse import EventStreamParser, ServerSentEvent

STREAMS: dict[str, tuple[bytes, list[tuple[str, str, str | None]]]] = {
    # The examples of section 9.2.6; id, type and data of each block.
    "three lines of data": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [("", "message", "YHOO\n+2\n10")],
    ),
    "comment, ids, one of them empty": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        [("", "message", None), ("1", "message", "first event"), ("", "message", "second event")],
    ),
    "empty data": (
        b"data\n\ndata\ndata\n\ndata:",
        [("", "message", ""), ("", "message", "\n")],
    ),
    "one space is taken off": (
        b"data:test\n\ndata: test\n\ndata:  test\n\n",
        [("", "message", "test"), ("", "message", "test"), ("", "message", " test")],
    ),
    "types": (
        b"event: add\ndata: 73857293\n\nevent:\ndata: x\n\nevent: remove\n\ndata: y\n\n",
        [("", "add", "73857293"), ("", "message", "x"), ("", "remove", None), ("", "message", "y")],
    ),
    "all line ends": (
        b"data: a\rdata: b\r\ndata: c\n\r\nid: 7\r\rdata: d\r\n\r\n",
        [("", "message", "a\nb\nc"), ("7", "message", None), ("7", "message", "d")],
    ),
    "one BOM at the start": (
        b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n",
        [("", "message", "a"), ("", "message", None)],
    ),
    "an id with NUL is none": (
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n",
        [("1", "message", "a"), ("1", "message", "b")],
    ),
    "other line separators are data": (
        "data: a\u2028b\x0bc\x85d\x1ce\n\n".encode(),
        [("", "message", "a\u2028b\x0bc\x85d\x1ce")],
    ),
    "names in another case, unknown ones, and colons": (
        b"DATA: a\n data: b\nfoo: c\ndata: d: e\n\n",
        [("", "message", "d: e")],
    ),
    "what is not UTF-8": (b"data: \xff\xe2\x82\n\n", [("", "message", "\ufffd\ufffd")]),
    "characters of several bytes": (
        "data: Grüße \U0001f4e7\n\n".encode(),
        [("", "message", "Grüße \U0001f4e7")],
    ),
    "the end of a stream ends no event": (b"data: a\nid: 9\n", []),
}


def parse(*chunks: bytes) -> list[tuple[str, str, str | None]]:
    parser = EventStreamParser()
    blocks = [block for chunk in chunks for block in parser.feed(chunk)]
    return [(block.id, block.type, block.data) for block in blocks]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_these_blocks_wherever_its_chunks_end(name: str) -> None:
    stream, blocks = STREAMS[name]
    assert parse(stream) == blocks
    assert parse(*(bytes([byte]) for byte in stream)) == blocks
    for index in range(len(stream)):
        assert parse(stream[:index], b"", stream[index:]) == blocks


@given(st.lists(st.sampled_from([b"\r", b"\n", b"data", b":", b" ", b"id", b"a", b"\xc3\xbc"])))
def test_chunks_change_nothing(parts: list[bytes]) -> None:
    assert parse(*parts) == parse(b"".join(parts))


def test_a_block_is_there_with_its_last_byte() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"data: a\r\n") == []
    # The LF may never come.
    assert parser.feed(b"\r") == [ServerSentEvent("", "message", "a")]
    assert parser.feed(b"\ndata: b\n\n") == [ServerSentEvent("", "message", "b")]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1500", 1.5), ("0", 0.0), ("-1", None), ("1.5", None), ("", None), ("٣", None)],
)
def test_retry_sets_the_reconnection_time(value: str, seconds: float | None) -> None:
    parser = EventStreamParser()
    assert parser.feed(f"retry: {value}\n\n".encode()) == [ServerSentEvent("")]
    assert parser.reconnection_time == seconds


def test_the_last_id_goes_on_from_the_stream_before() -> None:
    assert EventStreamParser("7").feed(b"data: a\n\n") == [ServerSentEvent("7", "message", "a")]


def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sse, "MAX_EVENT", 100)
    parser = EventStreamParser()
    for _ in range(50):
        assert parser.feed(b": a comment that is not kept\n") == []
        assert len(parser.feed(b"data: short\n\n")) == 1
    with pytest.raises(ValueError, match="more than 100"):
        parser.feed(b"data: a\n" * 51)
    with pytest.raises(ValueError, match="more than 100"):
        EventStreamParser().feed(b"x" * 101)
