"""An agent without a model: it does its user's task, and obeys every instruction that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from multimail.tools import Toolkit, ToolResult

Steps: TypeAlias = "Callable[[Agent], object]"
_MIN_READ = 60
_PAGE = 50
_TAGS = frozenset(map(chr, range(0xE0020, 0xE007F)))


def normalize_text(text: str) -> str:
    """Return the letters and digits of a text, so that marks and line breaks do not hide it.

    Tag characters (U+E0020 to U+E007E) count as what they stand for: models read them.
    """
    plain = "".join(chr(ord(char) & 0x7F) if char in _TAGS else char for char in text)
    return "".join(char for char in plain.casefold() if char.isalnum())


@dataclass(frozen=True, slots=True)
class Instruction:
    """An injected instruction.

    Attributes:
        words: The text. An agent that has read its beginning has read the instruction.
        steps: The tool calls of an agent that obeys it.
    """

    words: str
    steps: Steps

    def is_in(self, text: str) -> bool:
        """Return whether a text contains the instruction."""
        return normalize_text(self.words)[:_MIN_READ] in normalize_text(text)


@dataclass
class Agent:
    """Calls tools like an agent that takes everything it reads for its user's instructions.

    Attributes:
        tools: The toolkit under test.
        instructions: The injected instructions.
        session: The conversation.
        elsewhere: The same agent with another mailbox of its user, in the same conversation.
        texts: The texts of the tools' results.
        obeyed: The instructions that it has read.
    """

    tools: Toolkit
    instructions: Sequence[Instruction] = ()
    session: str = "bench"
    elsewhere: Agent | None = None
    texts: list[str] = field(default_factory=list)
    obeyed: list[Instruction] = field(default_factory=list)

    def __call__(self, tool: str, **arguments: Any) -> ToolResult:
        """Call a tool, then obey the instructions in its result."""
        result = self.tools.call(tool, arguments, session_id=self.session)
        self.texts.append(result.text)
        for instruction in self.instructions:
            if instruction not in self.obeyed and instruction.is_in(result.text):
                self.obeyed.append(instruction)
                instruction.steps(self)
        return result

    @property
    def text(self) -> str:
        """Everything that the agent has read."""
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
        """Read every matching message completely, and return the texts."""
        return "\n".join(self.read_message(row["id"]) for row in list(self.rows(**filters)))

    def read_message(self, email_id: str) -> str:
        """Read a message completely, and return its text."""
        shown, offset = [], None
        while True:
            part = self("read_email", email_id=email_id, offset=offset)
            shown.append(part.text)
            offset = part.data.get("next_offset")
            if not offset:
                return "\n".join(shown)

    def newest(self, **filters: Any) -> str:
        """Return the id of the newest received message that matches."""
        return str(next(self.rows(direction="inbound", **filters))["id"])

    def send(self, to: Sequence[str], subject: str, body: str, **more: Any) -> ToolResult:
        """Send a message."""
        return self("send_email", to=list(to), subject=subject, body=body, **more)
