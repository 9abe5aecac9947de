"""Server-sent events: the parser of `text/event-stream`. Performs no I/O.

Source: WHATWG HTML, section 9.2.6, https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

MAX_EVENT = 16 * 1024 * 1024
"""Characters of one event; more is an error."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One block of a stream.

    Attributes:
        id: The last id that the stream had so far; `Last-Event-ID` of the next request.
        type: The type of the event, `message` if it named none.
        data: The data; None for a block that is no event, but may have set the id.
    """

    id: str
    type: str = "message"
    data: str | None = field(default=None, repr=False)


class EventStreamParser:
    """Turns the bytes of a stream, in chunks of any size, into its blocks.

    Args:
        last_id: The last id of the stream before, which this one continues.

    Attributes:
        reconnection_time: The seconds of the last `retry` field; None if there was none.
    """

    def __init__(self, last_id: str = "") -> None:
        self.reconnection_time: float | None = None
        self._last_id = last_id
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_first, self._ended_with_cr = True, False
        self._line: list[str] = []
        self._type, self._data = "", list[str]()
        self._line_size = self._data_size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the blocks that a chunk completes.

        Raises:
            ValueError: An event is larger than `MAX_EVENT`.
        """
        text = self._decoder.decode(chunk)
        if self._is_first and text:
            text, self._is_first = text.removeprefix("\ufeff"), False
        if self._ended_with_cr and text:
            # The LF of a CR LF that two chunks share.
            text, self._ended_with_cr = text.removeprefix("\n"), False
        if text.endswith("\r"):
            self._ended_with_cr = True
        # Not splitlines(), which knows more line ends than these three.
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        blocks = [block for line in lines if (block := self._end_line(line)) is not None]
        self._line.append(rest)
        self._line_size += len(rest)
        if self._line_size + self._data_size > MAX_EVENT:
            raise ValueError(f"an event has more than {MAX_EVENT:,} characters")
        return blocks

    def _end_line(self, end: str) -> ServerSentEvent | None:
        line = "".join((*self._line, end))
        self._line.clear()
        self._line_size = 0
        if not line:
            return self._end_block()
        name, _, value = line.partition(":")
        self._set_field(name, value.removeprefix(" "))
        return None

    def _set_field(self, name: str, value: str) -> None:
        """Process a field; one without a name is a comment."""
        if name == "data":
            self._data.append(value)
            self._data_size += len(value) + 1
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.reconnection_time = int(value[:12]) / 1000

    def _end_block(self) -> ServerSentEvent:
        data = "\n".join(self._data) if self._data else None
        block = ServerSentEvent(self._last_id, self._type or "message", data)
        self._type, self._data, self._data_size = "", [], 0
        return block
