"""Attachments as a model may read them: the server's text, or plain text decoded here."""

from __future__ import annotations

import codecs

from ..models import File
from ..trust.text import one_line

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml"})
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FILE_NOTES = {
    "cut": "Only its beginning can be read.",
    "hidden_text_possible": "Text that it hides from people (white, tiny, off the page) "
    "can't be recognised.",
    "needs_extra": "To read it, the server needs: pip install 'multimail[documents]'.",
    "unreadable": "It is broken, encrypted or too large to be read.",
    "too_large": "It is too large to be read.",
}


def list_file_notes(file: File) -> list[str]:
    """Return what a reader has to know of a file, in sentences."""
    notes = [_FILE_NOTES[code] for code in dict.fromkeys(file.notes) if code in _FILE_NOTES]
    removed = one_line("; ".join(file.removed), 200)
    return [*notes, *([f"Left out by the server: {removed}."] if removed else [])]


def read_file(file: File) -> str | None:
    """Return the text of a file; None where it has none that can be read."""
    if file.text is not None:
        return file.text
    # HTML can hide text from people that a model would read.
    is_text = file.content_type.startswith("text/") and file.content_type != "text/html"
    if not is_text and file.content_type not in _TEXT_TYPES:
        return None
    for mark, codec in _MARKS:
        if file.content.startswith(mark):
            return file.content[len(mark) :].decode(codec, "replace")
    try:
        return file.content.decode("utf-8")
    except UnicodeDecodeError:
        return file.content.decode("cp1252", "replace")
