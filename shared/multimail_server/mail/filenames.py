"""File names of attachments: safe to show, to store and to write to a disk."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

_MAX_NAME = 150
_MAX_EXTENSION = 16
_UNSAFE = re.compile(r'[<>:"|?*]')
_EXTENSION = re.compile(r"\.[A-Za-z0-9_-]{1,15}$")


def safe_name(name: str, content_type: str, position: int) -> str:
    """Return a file name without path, control, format or reserved characters.

    Args:
        name: What the sender called the file, or nothing.
        content_type: Its media type, for an extension where there is no usable name.
        position: Its number within the message, from 1.
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(
        c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    clean = _UNSAFE.sub("_", " ".join(shown.split())).strip(". ")
    if not clean:
        known = mimetypes.guess_extension(content_type, strict=False)
        return f"attachment-{position}{known or '.bin'}"
    stem, extension = split_extension(clean)
    return stem[: _MAX_NAME - len(extension)] + extension


def split_extension(name: str) -> tuple[str, str]:
    """Return a name in two: what stands before its extension, and the extension with its dot."""
    found = _EXTENSION.search(name, max(1, len(name) - _MAX_EXTENSION))
    return (name[: found.start()], found[0]) if found else (name, "")


def unique_name(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if another spelling of it is `taken`, and take it."""
    stem, extension = split_extension(name)
    chosen, number = name, 1
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{stem} ({number}){extension}"
    taken.add(chosen.casefold())
    return chosen
