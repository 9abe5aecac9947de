"""Values with parameters, as in Content-Type: parsed also where they break the grammar.

Sources: RFC 2045 section 5.1, RFC 2183, RFC 2231. Real mail lacks semicolons, has comments, doubles
types or writes `text` for `text/plain`; what can only mean one thing is read as that.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from .charsets import decode_text
from .headers import unfold

MAX_VALUE = 8192
_NAME = r"[A-Za-z][A-Za-z0-9._-]{0,40}(?:\*\d{1,4})?\*?"
# A quoted string or comment that is not closed runs to the end, so that no input is scanned twice.
_PARAMETER = re.compile(
    r"\((?:[^()\\]|\\.)*(?:[()]|\\?\Z)"
    rf"|(?<![A-Za-z0-9._*-])({_NAME})\s{{0,20}}=\s{{0,20}}"
    rf'(?:"((?:[^"\\]|\\.)*)(?:"|\\?\Z)|([^;\s,]*(?:[\s,]+(?!{_NAME}\s{{0,20}}=)[^;\s,]+)*))',
    re.DOTALL,
)
_ESCAPED = re.compile(r'\\(["\\])')
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*(?:[()]|\\?\Z)")
_TYPE = re.compile(r"([a-z0-9!#$&^_.+-]{1,80})\s{0,20}/+\s{0,20}([a-z0-9!#$&^_.+/-]{1,160})")
_WORD = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}")
_TOKEN_END = re.compile(r"[\s,]")
_PIECE = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*?)")
_FREE_TEXT = frozenset({"filename", "name"})
_SHORT_TYPES = {"html": "text/html", "multipart": "multipart/mixed"}


def parse_media_type(value: bytes) -> str:
    """Return the media type of a Content-Type in lower case; empty where it names none.

    `text`, `text/` and `plain` are `text/plain`, `html` is `text/html`, `multipart` is
    `multipart/mixed`; of `multipart/multipart/mixed` the first and the last word count.
    """
    text = _COMMENT.sub(" ", unfold(value[:MAX_VALUE])).lower().replace("\\", "/")
    main = text.partition(";")[0].strip(" \t\"'=:,")
    match = _TYPE.match(main)
    if match is not None:
        subtype = match[2].strip("/").rpartition("/")[2]
        if subtype:
            return f"{match[1]}/{subtype}"
    word = _WORD.match(main)
    # The word before `=` is a parameter: there is no type at all.
    if word is None or main[word.end() :].lstrip().startswith("="):
        return ""
    if word[0] in {"text", "plain"}:
        return "text/plain"
    return _SHORT_TYPES.get(word[0], "")


@lru_cache(maxsize=64)
def get_parameter(value: bytes, name: str, charset: str = "") -> str:
    """Return a parameter of a field; empty if it is absent or unusable.

    The form of RFC 2231 counts before the plain one (RFC 6266 section 4.3).

    Args:
        value: The field's value as it was sent, of which 8 KiB count.
        name: The parameter's name in lower case.
        charset: The charset of the body, for raw bytes that are not UTF-8.
    """
    plain: str | None = None
    pieces: dict[int, tuple[bool, str]] = {}
    for key, text in _list_parameters(value, charset):
        match = _PIECE.fullmatch(key)
        if match is None or match[1] != name:
            continue
        if match[2] or match[3]:
            pieces.setdefault(int(match[2] or 0), (bool(match[3]), text))
        elif plain is None:
            plain = text
    return _join_pieces(pieces) or plain or ""


def _list_parameters(value: bytes, charset: str) -> list[tuple[str, str]]:
    text = unfold(value[:MAX_VALUE], charset)
    parameters: list[tuple[str, str]] = []
    for match in _PARAMETER.finditer(text):
        if match[1] is None:
            continue
        name = match[1].lower()
        if match[2] is not None:
            # A path such as C:\dir\a.txt is not escaped, whatever the grammar says.
            parameters.append((name, _ESCAPED.sub(r"\1", match[2])))
            continue
        plain = match[3].strip(" \t,")
        if name.partition("*")[0] not in _FREE_TEXT:
            plain = _TOKEN_END.split(plain, maxsplit=1)[0]
        parameters.append((name, plain))
    return parameters


def _join_pieces(pieces: dict[int, tuple[bool, str]]) -> str:
    """Return the text of `name*0*`, `name*1` … or `name*` (RFC 2231 sections 3 and 4)."""
    if not pieces:
        return ""
    first = min(pieces)
    charset, data, is_coded = "utf-8", bytearray(), False
    for number in range(first, first + len(pieces)):
        if number not in pieces:
            break
        is_extended, text = pieces[number]
        if is_extended and number == first and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        is_coded = is_coded or is_extended
        data += unquote_to_bytes(text) if is_extended else text.encode("utf-8", "replace")
    return decode_text(bytes(data), charset if is_coded else "utf-8")
