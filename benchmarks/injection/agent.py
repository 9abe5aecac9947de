"""The agent: no model. It does what its user asked, and obeys every instruction that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from multimail.tools import Toolkit, ToolResult

Steps: TypeAlias = "Callable[[Agent], object]"
_READ_ENOUGH = 60
_PAGE = 50
_TAGS = frozenset(map(chr, range(0xE0020, 0xE007F)))


def letters_of(text: str) -> str:
    """Return the letters and digits of a text, so that marks and line breaks do not hide it.

    Tag characters (U+E0020 to U+E007E) count as what they stand for: models read them.
    """
    plain = "".join(chr(ord(one) & 0x7F) if one in _TAGS else one for one in text)
    return "".join(one for one in plain.casefold() if one.isalnum())


@dataclass(frozen=True, slots=True)
class Order:
    """An injected instruction.

    Attributes:
        words: Whoever reads how it begins has read it.
        steps: What obeying it is.
    """

    words: str
    steps: Steps

    def is_in(self, text: str) -> bool:
        """Whether it can be read in a text."""
        return letters_of(self.words)[:_READ_ENOUGH] in letters_of(text)


@dataclass
class Agent:
    """Calls tools as an agent does that takes everything it reads for its user's word.

    Attributes:
        tools: The tools under test.
        orders: The injected instructions.
        session: The conversation.
        elsewhere: The same agent at another mailbox of its user's, in the same conversation.
        texts: What the tools answered, as a model reads it.
        obeyed: The orders that it came to read.
    """

    tools: Toolkit
    orders: Sequence[Order] = ()
    session: str = "bench"
    elsewhere: Agent | None = None
    texts: list[str] = field(default_factory=list)
    obeyed: list[Order] = field(default_factory=list)

    def __call__(self, tool: str, **arguments: Any) -> ToolResult:
        """Call a tool, then obey what its answer says."""
        result = self.tools.call(tool, arguments, session_id=self.session)
        self.texts.append(result.text)
        for order in self.orders:
            if order not in self.obeyed and order.is_in(result.text):
                self.obeyed.append(order)
                order.steps(self)
        return result

    @property
    def text(self) -> str:
        """All that it has read."""
        return "\n".join(self.texts)

    def rows(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """List mail, newest first, page by page."""
        cursor = None
        while True:
            page = self("check_inbox", limit=_PAGE, cursor=cursor, **filters)
            yield from page.data.get("emails", ())
            cursor = page.data.get("cursor")
            if not cursor:
                return

    def read(self, **filters: Any) -> str:
        """Read every message that matches, to its end, and return what was shown of them."""
        return "\n".join(self.read_one(row["id"]) for row in list(self.rows(**filters)))

    def read_one(self, email_id: str) -> str:
        """Read a message to its end, and return what was shown of it."""
        shown, offset = [], None
        while True:
            part = self("read_email", email_id=email_id, offset=offset)
            shown.append(part.text)
            offset = part.data.get("next_offset")
            if not offset:
                return "\n".join(shown)

    def newest(self, **filters: Any) -> str:
        """Return the id of the newest message that matches."""
        return str(next(self.rows(direction="inbound", **filters))["id"])

    def send(self, to: Sequence[str], subject: str, body: str, **more: Any) -> ToolResult:
        """Send a message."""
        return self("send_email", to=list(to), subject=subject, body=body, **more)
