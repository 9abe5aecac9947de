"""The demo as an animated picture: what it writes to a terminal, line by line."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

COLUMNS = 118
ROWS = 32
_SVG = "http://www.w3.org/2000/svg"
_QUESTION = b"eave it?"
_LINE_HEIGHT = 24.4  # Rich's: its font size of 20, times 1.22
_LONGEST_PAUSE = 1.2
_EACH_LINE = 0.16
_AT_THE_END = 6.0
_MARGIN = 16
_FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", "Liberation Mono", Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<rect width="100%" height="100%" rx="8" fill="#20262b"/>
<svg class="window"><g class="{unique_id}-matrix">{matrix}</g></svg>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the terminal, and the seconds after which it was there."""

    text: str
    moment: float


def draw(directory: Path) -> None:
    """Write demo.svg."""
    (directory / "demo.svg").write_text(rendered(folded(recorded())), "utf-8")


def recorded() -> list[Line]:
    """Run the demo in a terminal, approve its reply, and return what it wrote."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    command = [sys.executable, "-c", "from multimail_cli.main import run; run()", "demo"]
    running = subprocess.Popen(  # noqa: S603 - our own words, no shell
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, close_fds=True
    )
    os.close(theirs)
    lines = list(_lines(ours))
    if running.wait() != 0:
        raise RuntimeError("The demo failed: " + "\n".join(line.text for line in lines))
    return lines


def _lines(terminal: int) -> list[Line]:
    lines: list[Line] = []
    began, waiting, answered = time.monotonic(), b"", False
    while chunk := _read(terminal):
        waiting += chunk
        if _QUESTION in waiting and not answered:
            os.write(terminal, b"a\n")
            answered = True
        *whole, waiting = waiting.split(b"\n")
        moment = time.monotonic() - began
        lines += [Line(one.decode().rstrip("\r"), moment) for one in whole]
    return lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so where the other end has closed.
        return b""


def folded(lines: list[Line]) -> list[Line]:
    """Return the lines as a terminal folds them, at the pace of a reader."""
    screen = Console(width=COLUMNS)
    paced: list[Line] = []
    now, before = -_EACH_LINE, lines[0].moment
    for line in lines:
        now += min(line.moment - before, _LONGEST_PAUSE)
        before = line.moment
        for part in Text.from_ansi(line.text).wrap(screen, COLUMNS) or [Text()]:
            now += _EACH_LINE
            part.rstrip()
            paced.append(Line(part.markup, now))
    return paced


def rendered(lines: list[Line]) -> str:
    """Return the picture: the lines appear one by one, and scroll."""
    screen = Console(record=True, width=COLUMNS, file=io.StringIO(), height=len(lines))
    for line in lines:
        screen.print(Text.from_markup(line.text), soft_wrap=True)
    svg = screen.export_svg(code_format=_FORMAT, unique_id="demo")
    return _animated(svg, lines)


def _animated(svg: str, lines: list[Line]) -> str:
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)  # noqa: S314 - Rich has just made it
    style, window = root.find(f"{{{_SVG}}}style"), root.find(f"{{{_SVG}}}svg")
    assert style is not None
    assert window is not None
    width, height = float(root.attrib["viewBox"].split()[2]), (ROWS + 0.3) * _LINE_HEIGHT
    root.set("viewBox", f"0 0 {width + 2 * _MARGIN:.0f} {height + 2 * _MARGIN:.0f}")
    place = {"x": _MARGIN, "y": _MARGIN, "width": width, "height": height}
    window.attrib.update({name: f"{value:.0f}" for name, value in place.items()})
    for text in window.iter(f"{{{_SVG}}}text"):
        line = re.search(r"line-(\d+)", text.attrib.pop("clip-path", ""))
        if line is not None:
            text.set("class", f"{text.get('class')} l{line[1]}")
    style.text = "\n".join([style.text or "", *_rules(lines, lines[-1].moment + _AT_THE_END)])
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _rules(lines: list[Line], whole: float) -> list[str]:
    """Return the style rules that let lines appear and scroll."""
    shown, scrolled = [], ["0%{transform:none}"]
    for number, line in enumerate(lines):
        at = 100 * line.moment / whole
        shown.append(f"@keyframes l{number}{{0%{{opacity:0}}{at:.2f}%{{opacity:1}}}}")
        shown.append(f".l{number}{{animation:l{number} {whole:.1f}s step-end infinite}}")
        if number >= ROWS:
            up = (number + 1 - ROWS) * _LINE_HEIGHT
            scrolled.append(f"{at:.2f}%{{transform:translateY(-{up:.1f}px)}}")
    resting = max(0, len(lines) - ROWS) * _LINE_HEIGHT
    return [
        f".demo-matrix{{transform:translateY(-{resting:.1f}px)}}",
        "@media (prefers-reduced-motion: no-preference){",
        f"@keyframes scroll{{{''.join(scrolled)}}}",
        f".demo-matrix{{animation:scroll {whole:.1f}s step-end infinite}}",
        *shown,
        "}",
    ]
