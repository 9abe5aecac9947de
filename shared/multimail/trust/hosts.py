"""Names of hosts in text: which of them a reader, or a program, would take for a link."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

DOTS = ".\u3002\uff0e\uff61"
HOST = rf"""
    (?<![\w@/\\-])(?<!\w[{DOTS}])
    (?: [\w-]++(?:[{DOTS}][\w-]++)++
      | localhost(?=:\d|/[\w?\#]) | 0x[0-9a-f]{{1,8}}(?=:\d|/\w)
      | \[(?=[0-9a-f.]*:[0-9a-f.]*:)[0-9a-f:.]{{2,45}}\](?=:\d|/\w) )
    """
"""What may be the name or the address of a host; `is_linked_host` decides about names."""
_SPECIAL = frozenset({"example", "test", "onion", "i2p"})
"""Top-level domains that work or are documented, and are not in the public suffix list."""
_EXTENSIONS = frozenset("cab dot map md mk mov ps pub py rs sh so tf zip".split())  # noqa: SIM905
"""Top-level domains that a name has more often because it names a file.

`pl`, `ai`, `app` and `cc` are not among them: most names that end so are of sites.
"""
_DOT = re.compile(rf"[{DOTS}]")
_PATH = re.compile(r"[/\\][\w?#%~@]|\?[\w-]{1,40}=")
_PORT = re.compile(r":\d{1,5}(?!\w|\.\d)")
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|\d{1,10}", re.IGNORECASE)
_NETWORK = re.compile(r"/\d{1,2}(?![\w/])")
_UNKNOWN = re.compile(r"[a-z]{2,24}", re.IGNORECASE)
_TIME = re.compile(r"\d{1,2}\.[ap]m", re.IGNORECASE)
_SAME_TO_A_BROWSER = frozenset(":/\\?#@-.%")


@cache
def get_top_level_domains() -> frozenset[str]:
    """Return all top-level domains, in lower case and in Unicode."""
    text = (files("multimail.trust") / "top_level_domains.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return _SPECIAL.union(" ".join(lines).split())


def is_linked_host(host: str, text: str, end: int) -> bool:
    """Return whether what `HOST` matched is a link.

    A name is one if it ends in a top-level domain. If that is also a common extension of files
    (`README.md`), or is written with a capital as at the start of a sentence (`order.Is`), a path
    or a port has to follow, as it has to after an IP address.

    Args:
        host: The match.
        text: The text that it is in.
        end: Where it ends there.
    """
    labels = _DOT.split(host)
    if len(labels) == 1:
        return True
    if text.startswith("@", end):
        return False
    last = labels[-1].strip("_-")
    has_path = _PATH.match(text, end) is not None
    has_port = _PORT.match(text, end) is not None
    if last.isdecimal() or _NUMBER.fullmatch(last):
        return (has_path or has_port) and _is_address(labels, text, end)
    if has_path and _UNKNOWN.fullmatch(last):
        return True
    if not _is_top_level(last):
        return False
    if has_path or has_port:
        return True
    return not (last[0].isupper() or last in _EXTENSIONS or _TIME.fullmatch(host))


def _is_address(labels: list[str], text: str, end: int) -> bool:
    """Return whether labels are an IPv4 address and not a network, such as `10.0.0.0/8`."""
    if len(labels) != 4 or not all(map(_NUMBER.fullmatch, labels)):
        return False
    return not (labels[-1] == "0" and _NETWORK.match(text, end))


def _is_top_level(label: str) -> bool:
    lower = label.lower()
    if lower.startswith("xn--"):
        return True
    return lower in get_top_level_domains()


class _FoldTable(dict[int, str]):
    """A table for `str.translate` that fills itself: a compatibility character as its ASCII one."""

    _MAX_CACHED = 20_000

    def __missing__(self, code: int) -> str:
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char) if code > 127 else char
        is_same = len(plain) == 1 and (plain.isascii() and plain.isalnum())
        folded = plain if is_same or plain in _SAME_TO_A_BROWSER else char
        if len(self) < self._MAX_CACHED:
            self[code] = folded
        return folded


_FOLDED = _FoldTable()


def fold_width(text: str) -> str:
    """Return text of the same length with ASCII for what browsers read as ASCII in an address.

    These are full-width characters, mathematical letters and the like (UTS #46 maps them by NFKC).
    """
    return text if text.isascii() else text.translate(_FOLDED)
