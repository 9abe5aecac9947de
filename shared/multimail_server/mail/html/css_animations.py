"""CSS animations that hide text: by where they end, or by never leaving where they begin."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .css_properties import get_opacity, is_hidden, parse_relevant_declarations
from .css_values import ROOT_SIZE, iter_blocks, parse_color, parse_font_size

MAX_KEYFRAMES = 500
_MIN_OPACITY, _MIN_SIZE = 0.1, 2.0
_TIME = re.compile(r"(?<![\w.-])(-?\d{0,9}\.?\d{1,9})(ms|s)\b")
_LONG = 30.0
"""Seconds after which a reader no longer waits for text to appear."""
_FRAME = re.compile(r"from|to|\d{1,3}(?:\.\d{1,6})?%")
_WORD = re.compile(r"[\w-]+")
_ENDS = {"from": 0.0, "to": 1.0}


class Keyframes:
    """The `@keyframes` rules of a mail, as far as they hide something."""

    def __init__(self) -> None:
        self._hidden_at: dict[str, set[float]] = {}
        self.count = 0

    def add(self, prelude: str, block: str) -> None:
        """Read a rule; of rules of the same name all count."""
        name = prelude.rpartition(" ")[2].strip("\"' \t\n").lower()
        for selector, inner in iter_blocks(block):
            self.count += 1
            if self.count > MAX_KEYFRAMES:
                return
            if _hides({item.name: item.value for item in parse_relevant_declarations(inner)}):
                frames = self._hidden_at.setdefault(name, set())
                frames.update(map(_get_position, _FRAME.findall(selector.lower())))

    def hide(self, style: Mapping[str, str]) -> bool:
        """Return whether an animation of an element hides it for good, or for long."""
        if not self._hidden_at:
            return False
        text = " ".join(value for name, value in style.items() if name.startswith("animation"))
        words = set(_WORD.findall(text))
        frames = set().union(*(self._hidden_at.get(word, ()) for word in words))
        if "var" in words:
            frames = set().union(*self._hidden_at.values())
        if not frames:
            return False
        times = [float(time) / (1000 if unit == "ms" else 1) for time, unit in _TIME.findall(text)]
        if "paused" in words or any(abs(time) >= _LONG for time in times) or frames >= {0.0, 1.0}:
            return True
        if not words & {"forwards", "both", "var"}:
            return False
        is_reversed = bool(words & {"reverse", "alternate", "alternate-reverse"})
        return 1.0 in frames or (is_reversed and 0.0 in frames)


def _get_position(frame: str) -> float:
    if frame in _ENDS:
        return _ENDS[frame]
    return float(frame.removesuffix("%")) / 100


def _hides(style: Mapping[str, str]) -> bool:
    size = parse_font_size(style.get("font-size", ""), ROOT_SIZE)
    color = parse_color(style.get("-webkit-text-fill-color", style.get("color", "")))
    return (
        is_hidden(style)
        or get_opacity(style) < _MIN_OPACITY
        or style.get("visibility") in ("hidden", "collapse")
        or (size is not None and size < _MIN_SIZE)
        or (color is not None and color.is_clear)
    )
