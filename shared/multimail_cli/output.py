"""Output of the commands. Text from mail is made safe first: it cannot control the terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 160
_MIN_LAST_COLUMN = 40
# Whole CSI and OSC sequences, so that their parameters do not remain as text (ECMA-48).
_ESCAPE_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"


class CommandError(Exception):
    """A command failed.

    Args:
        message: What happened, and to what.
        remedy: What to do next.
        code: A machine-readable code.
    """

    def __init__(self, message: str, remedy: str = "", code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


def plain(text: str) -> str:
    """Return text from mail without control sequences and characters; line breaks are kept."""
    unified = _ESCAPE_SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in unified if _is_printable(char))


def plain_line(text: str, max_length: int = 0) -> str:
    """Return text from mail as one plain line, cut to `max_length` characters unless that is 0."""
    line = " ".join(plain(text).split())
    return line if not max_length or len(line) <= max_length else line[: max_length - 1] + "…"


def _is_printable(char: str) -> bool:
    if char in "\n\t" or " " <= char <= "~" or char in _JOINERS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def document(value: Any) -> None:
    """Print one JSON document. All its characters are ASCII, so it cannot control the terminal."""
    print(json.dumps(value, indent=2, ensure_ascii=True, default=str), flush=True)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; a closed one is None and isn't."""
    return stream is not None and stream.isatty()


def console(*, errors: bool = False) -> Console:
    """Return a console that prints text unchanged: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    width = None if is_terminal(stream) else _WIDTH_WITHOUT_TERMINAL
    return Console(
        file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a compact table; the last column gets the remaining width.

    A terminal that is too narrow wraps the lines: no cell is cut, so that ids can be copied.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [[plain_line(cell) for cell in row] for row in rows]
    screen = console()
    fixed = sum(
        max(map(len, column)) + 1 for column in list(zip(headings, *cells, strict=True))[:-1]
    )
    screen.width = max(screen.width, fixed + _MIN_LAST_COLUMN)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        last = index == len(headings) - 1
        table.add_column(heading, no_wrap=not last, overflow="fold", ratio=1 if last else None)
    for row in cells:
        table.add_row(*map(Text, row))
    screen.print(table, soft_wrap=False)


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print `Name: value` lines for the values that are not empty."""
    from rich.text import Text

    screen = console()
    for name, value in fields:
        if value:
            screen.print(Text.assemble((f"{name}: ", "bold"), plain_line(value)))


def show_text(text: str, style: str = "") -> None:
    """Print text as `plain` returns it."""
    console().print(plain(text), style=style or None)


def show_error(message: str, remedy: str, code: str, *, as_json: bool) -> None:
    """Print an error and its remedy on stderr."""
    if as_json:
        data = {"error": message, "code": code, "remedy": remedy}
        print(json.dumps(data, ensure_ascii=True), file=sys.stderr, flush=True)
        return
    sentence = message if message.endswith((".", "!", "?")) else f"{message}."
    line = plain_line(f"{sentence} {remedy}" if remedy and remedy not in message else sentence)
    console(errors=True).print(f"multimail: {line}")


def show_notice(text: str) -> None:
    """Print a line on stderr about something that the command goes on after."""
    console(errors=True).print(f"multimail: {plain_line(text)}")


def format_datetime(value: datetime | None) -> str:
    """Return a time in UTC, to the minute; an empty string for None."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ") if value else ""


def format_duration(seconds: float) -> str:
    """Return a duration in days, hours, minutes or seconds."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def format_addresses(addresses: Sequence[str]) -> str:
    """Return addresses on one line, separated by commas."""
    return ", ".join(plain_line(address) for address in addresses)
