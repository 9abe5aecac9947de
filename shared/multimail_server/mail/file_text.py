"""The text of an attachment: what an agent can read of a file.

It is read by the server, where the charsets, the conversion of HTML and the MIME reader are; the
tools show it. PDF and office files are read by `documents`, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .body import get_leaves, parse_tree, read_body
from .calendars import describe_calendar, is_calendar
from .charsets import decode, decode_html, find_codec, is_utf8
from .headers import HeaderBlock, decode_unstructured, get_parameter
from .html import html_to_markdown
from .mime import Part

MAX_FILE_CHARS = 262_144
MAX_FILE_BYTES = 20 * 1024 * 1024
_MAX_MESSAGE_DEPTH = 4
_MAX_MESSAGES = 20
_TEXT_TYPES = frozenset(
    f"application/{subtype}"
    for subtype in (
        "json", "xml", "yaml", "x-yaml", "csv", "javascript", "sql", "toml", "x-ndjson",
    )
)  # fmt: skip
_TEXT_EXTENSIONS = frozenset(
    {
        "txt", "text", "log", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "md", "markdown",
        "rst", "ini", "cfg", "conf", "toml", "sql", "diff", "patch", "html", "htm", "ics", "vcf",
    }
)  # fmt: skip
_BINARY = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-")
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_DOCUMENT_EXTENSIONS = frozenset({"pdf", "docx", "xlsx", "pptx", "odt", "docm", "xlsm"})
_DOCUMENT_TYPES = ("application/pdf", "application/vnd.openxml", "application/vnd.oasis")
_FIELDS = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Date", "date"), ("Subject", "subject"))


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file.

    Attributes:
        text: The text; None where it can't be read.
        notes: Codes of what a reader has to know: `cut`, `hidden_text_possible`, `needs_extra` …
        removed: What was left out because a reader would not see it, in words.
    """

    text: str | None
    notes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def read_file_text(part: Part, name: str, body_charset: str = "") -> FileText:
    """Return the text of an attachment, at most 262,144 characters of it.

    Args:
        part: The part of the message that it is.
        name: Its name, as the mailbox shows it.
        body_charset: That of the message's text, for a file that declares none.
    """
    content = part.content()
    extension = name.rpartition(".")[2].lower()
    kind = part.content_type
    if len(content) > MAX_FILE_BYTES:
        return FileText(None, ("too_large",))
    if extension in _DOCUMENT_EXTENSIONS or kind.startswith(_DOCUMENT_TYPES):
        from .documents import read_document

        text, notes = read_document(content)
        return _cut(FileText(text, notes))
    if kind in _MESSAGE_TYPES or extension == "eml":
        return _cut(FileText("\n".join(_describe_message(content, _MAX_MESSAGE_DEPTH))))
    if not _is_text(part, extension):
        return FileText(None)
    return _cut(_read_text(part, content, extension, body_charset))


def _is_text(part: Part, extension: str) -> bool:
    kind = part.content_type
    if kind.startswith(("text/", "message/")):
        return not kind.endswith("rtf")
    if kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")) or is_calendar(part):
        return True
    # A CSV file is often sent as a spreadsheet; a spreadsheet with a wrong name is none.
    named = kind.startswith("application/") and extension in _TEXT_EXTENSIONS
    return named and not part.content().startswith(_BINARY)


def build_part(content: bytes, content_type: str) -> Part:
    """Return a file that stands in no message as a part."""
    return Part(content, HeaderBlock((), (), 0), content_type, 0, len(content))


def _read_text(part: Part, content: bytes, extension: str, body_charset: str) -> FileText:
    label = get_parameter(part.declared, "charset")
    is_html = part.content_type in _HTML_TYPES or extension in {"html", "htm"}
    if is_html or extension == "xml" or part.content_type.endswith(("/xml", "+xml")):
        decoded = decode_html(content, label)  # they may name their charset themselves
    else:
        decoded = decode(content, label or _guess_charset(content, body_charset))
    if is_html:
        markdown = html_to_markdown(decoded.text)
        return FileText(markdown.text, removed=(*markdown.removed, *decoded.notes))
    if is_calendar(part):
        return FileText(describe_calendar(decoded.text) or decoded.text, removed=decoded.notes)
    return FileText(decoded.text.replace("\r\n", "\n"), removed=decoded.notes)


def _guess_charset(content: bytes, body_charset: str) -> str:
    """Return the charset of the message where a file may be in it: it declares none, nor UTF-8."""
    if is_utf8(content):
        return ""
    # Mail in ISO-2022-JP comes from programs whose files are in Shift_JIS.
    label = "shift_jis" if find_codec(body_charset) == "iso2022" else body_charset
    return "" if decode(content, label).lost else label


def _cut(file: FileText) -> FileText:
    if file.text is None or len(file.text) <= MAX_FILE_CHARS:
        return file
    return FileText(file.text[:MAX_FILE_CHARS], (*file.notes, "cut"), file.removed)


def _describe_message(raw: bytes, depth: int) -> Iterator[str]:
    """Yield the lines of an enclosed message: its header fields, its text, what is in it."""
    tree = parse_tree(raw)
    for label, name in _FIELDS:
        value = decode_unstructured(tree.headers.first(name), tree.header_charset)
        if value:
            yield f"{label}: {value}"
    files = [part for part in get_leaves(tree) if part.is_attachment]
    if files:
        yield f"Attachments: {', '.join(part.file_name() or part.content_type for part in files)}"
    yield ""
    yield read_body(tree).text
    enclosed = [part for part in files if part.content_type == "message/rfc822"]
    for part in enclosed[:_MAX_MESSAGES] if depth > 1 else ():
        yield "\n---------- Enclosed message ----------"
        yield from _describe_message(part.content(), depth - 1)
