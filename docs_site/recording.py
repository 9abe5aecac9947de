"""The demo as an animated picture of its terminal output, line by line."""

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
_PROMPT = b"eave it?"
_LINE_HEIGHT = 24.4  # of Rich: its font size of 20, times 1.22
_MAX_PAUSE = 1.2
_LINE_PAUSE = 0.16
_END_PAUSE = 6.0
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
    """A line of the terminal, and the seconds until it appears."""

    text: str
    time: float


def draw(directory: Path) -> None:
    """Write demo.svg."""
    (directory / "demo.svg").write_text(render(wrap_lines(record())), "utf-8")


def record() -> list[Line]:
    """Run the demo in a terminal, approve its reply, and return its output."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    command = [sys.executable, "-c", "from multimail_cli.main import run; run()", "demo"]
    process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, close_fds=True
    )
    os.close(theirs)
    lines = list(_read_lines(ours))
    if process.wait() != 0:
        raise RuntimeError("The demo failed: " + "\n".join(line.text for line in lines))
    return lines


def _read_lines(terminal: int) -> list[Line]:
    lines: list[Line] = []
    start, buffer, answered = time.monotonic(), b"", False
    while chunk := _read(terminal):
        buffer += chunk
        if _PROMPT in buffer and not answered:
            os.write(terminal, b"a\n")
            answered = True
        *complete, buffer = buffer.split(b"\n")
        now = time.monotonic() - start
        lines += [Line(line.decode().rstrip("\r"), now) for line in complete]
    return lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # On Linux, the other end has closed.
        return b""


def wrap_lines(lines: list[Line]) -> list[Line]:
    """Return the lines wrapped as in a terminal, at a pace for readers."""
    screen = Console(width=COLUMNS)
    paced: list[Line] = []
    now, before = -_LINE_PAUSE, lines[0].time
    for line in lines:
        now += min(line.time - before, _MAX_PAUSE)
        before = line.time
        for part in Text.from_ansi(line.text).wrap(screen, COLUMNS) or [Text()]:
            now += _LINE_PAUSE
            part.rstrip()
            paced.append(Line(part.markup, now))
    return paced


def render(lines: list[Line]) -> str:
    """Return the picture, in which the lines appear one by one and scroll."""
    screen = Console(record=True, width=COLUMNS, file=io.StringIO(), height=len(lines))
    for line in lines:
        screen.print(Text.from_markup(line.text), soft_wrap=True)
    svg = screen.export_svg(code_format=_FORMAT, unique_id="demo")
    return _animate(svg, lines)


def _animate(svg: str, lines: list[Line]) -> str:
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)  # noqa: S314 - made by Rich
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
    style.text = "\n".join([style.text or "", *_build_rules(lines, lines[-1].time + _END_PAUSE)])
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _build_rules(lines: list[Line], duration: float) -> list[str]:
    """Return the CSS rules that show the lines and scroll."""
    shown, scrolled = [], ["0%{transform:none}"]
    for number, line in enumerate(lines):
        at = 100 * line.time / duration
        shown.append(f"@keyframes l{number}{{0%{{opacity:0}}{at:.2f}%{{opacity:1}}}}")
        shown.append(f".l{number}{{animation:l{number} {duration:.1f}s step-end infinite}}")
        if number >= ROWS:
            up = (number + 1 - ROWS) * _LINE_HEIGHT
            scrolled.append(f"{at:.2f}%{{transform:translateY(-{up:.1f}px)}}")
    resting = max(0, len(lines) - ROWS) * _LINE_HEIGHT
    return [
        f".demo-matrix{{transform:translateY(-{resting:.1f}px)}}",
        "@media (prefers-reduced-motion: no-preference){",
        f"@keyframes scroll{{{''.join(scrolled)}}}",
        f".demo-matrix{{animation:scroll {duration:.1f}s step-end infinite}}",
        *shown,
        "}",
    ]
