"""Output: what the commands print. Mail is data here too: nothing in it may drive the terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 160
# CSI and OSC sequences whole, so that their parameters do not stay behind as text (ECMA-48).
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"


class CommandError(Exception):
    """A command cannot do what was asked.

    Args:
        message: What happened, to what.
        remedy: What to do next.
        code: A machine-readable word.
    """

    def __init__(self, message: str, remedy: str = "", code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


def plain(text: str) -> str:
    """Return text from mail without anything that a terminal would obey; line breaks stay."""
    unified = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in unified if _prints(char))


def plain_line(text: str, longest: int = 0) -> str:
    """Return text from mail as one harmless line, cut to `longest` characters if that is set."""
    line = " ".join(plain(text).split())
    return line if not longest or len(line) <= longest else line[: longest - 1] + "…"


def _prints(char: str) -> bool:
    if char in "\n\t" or " " <= char <= "~" or char in _JOINERS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def document(value: Any) -> None:
    """Print one JSON document. Its escapes leave nothing for a terminal to obey."""
    print(json.dumps(value, indent=2, ensure_ascii=True, default=str), flush=True)


def console(*, errors: bool = False) -> Console:
    """Return a console that takes text as it stands: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(
        file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a compact table; the last column takes the room that is left."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        last = index == len(heads) - 1
        table.add_column(head, no_wrap=not last, overflow="fold", ratio=1 if last else None)
    for row in rows:
        table.add_row(*(Text(plain_line(cell)) for cell in row))
    console().print(table, soft_wrap=False)


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print `Name: value` lines, leaving out what is empty."""
    from rich.text import Text

    screen = console()
    for name, value in fields:
        if value:
            screen.print(Text.assemble((f"{name}: ", "bold"), plain_line(value)))


def show_text(text: str, style: str = "") -> None:
    """Print text, made harmless."""
    console().print(plain(text), style=style or None)


def show_error(message: str, remedy: str, code: str, *, as_json: bool) -> None:
    """Say on stderr what went wrong and what to do next."""
    if as_json:
        facts = {"error": message, "code": code, "remedy": remedy}
        print(json.dumps(facts, ensure_ascii=True), file=sys.stderr, flush=True)
        return
    sentence = message if message.endswith((".", "!", "?")) else f"{message}."
    line = plain_line(f"{sentence} {remedy}" if remedy and remedy not in message else sentence)
    console(errors=True).print(f"multimail: {line}")


def when(moment: datetime | None) -> str:
    """Return a moment to the minute in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ") if moment else ""


def span(seconds: float) -> str:
    """Return a length of time in its largest sensible unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def people(addresses: Sequence[str]) -> str:
    """Return addresses as one line."""
    return ", ".join(plain_line(address) for address in addresses)
