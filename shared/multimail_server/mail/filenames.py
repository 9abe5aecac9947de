"""Names of the files in a message: what a sender wrote, made safe and unique."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

_MAX_NAME = 150
_MAX_EXTENSION = 16
_UNSAFE = re.compile(r'[<>:"|?*]')
_NAMES = {
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-signature": "smime.p7s",
    "application/pgp-signature": "signature.asc",
    "application/ms-tnef": "winmail.dat",
    "text/calendar": "invite.ics",
}
"""Names that mail programs give these types; their extensions alone say little."""
_EXTENSION = re.compile(r"\.[A-Za-z0-9_-]{1,15}$")


def sanitize_filename(name: str, content_type: str, position: int) -> str:
    """Return a file name without path, control, format or reserved characters.

    Args:
        name: The name that the sender gave the file; may be empty.
        content_type: Its media type, for an extension where there is no usable name.
        position: Its number within the message, from 1.
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(
        c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    clean = _UNSAFE.sub("_", " ".join(shown.split())).strip(". ")
    if not clean and content_type in _NAMES:
        return _NAMES[content_type]
    if not clean:
        known = mimetypes.guess_extension(content_type, strict=False)
        return f"attachment-{position}{known or '.bin'}"
    stem, extension = split_extension(clean)
    return stem[: _MAX_NAME - len(extension)] + extension


def split_extension(name: str) -> tuple[str, str]:
    """Split a name into its stem and its extension, which includes the dot."""
    match = _EXTENSION.search(name, max(1, len(name) - _MAX_EXTENSION))
    return (name[: match.start()], match[0]) if match else (name, "")


def make_filename_unique(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if `taken` has it in any case, and add it to `taken`."""
    stem, extension = split_extension(name)
    chosen, number = name, 1
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{stem} ({number}){extension}"
    taken.add(chosen.casefold())
    return chosen
