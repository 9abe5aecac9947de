"""The body of a message: which of its parts are shown, in which version, and what to say of them.

Most people see the HTML version. The plain text is shown where it says the same, because nothing
can be hidden in it; where it says something else, it is a stub or a trick, and the HTML is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from .calendars import describe_calendar, is_calendar
from .charsets import decode
from .headers import HeaderBlock, get_parameter
from .html import Markdown, html_to_markdown
from .mime import Part, parse_parts
from .smime import Wrapper, read_cms

_MAX_WRAPPERS = 4
_MAX_CALENDARS = 5
_MIN_SHARE_OF_HTML = 3
# Words that the HTML lacks, such as "[image: logo]"; more of them may be for no person's eyes.
_MAX_ADDED = 5
_MAX_ADDED_PART = 20
_WORDS_COMPARED = 50_000
_ADDRESS = re.compile(r"\b(?:https?://|www\.|mailto:)\S+|\]\([^()\s]{0,2000}\)", re.IGNORECASE)
# A character is a word in scripts without spaces: lines break anywhere in them.
_WORD = re.compile(
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]|[^\\W_]+?(?=[\\W_"
    "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|$)"
)
_CMS_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURE_TYPES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
PGP_TYPE, _PGP_SIGNATURE_TYPE = "application/pgp-encrypted", "application/pgp-signature"


class BodyNote(StrEnum):
    """What a reader has to know of a body. The codes are those of the API's `notes`."""

    HTML_VERSION = "html_version"
    HTML_DIFFERS = "html_differs"
    TEXT_DIFFERS = "text_differs"
    SMIME_SIGNED = "smime_signed"
    SMIME_ENCRYPTED = "smime_encrypted"
    SMIME_UNREADABLE = "smime_unreadable"
    PGP_SIGNED = "pgp_signed"
    PGP_ENCRYPTED = "pgp_encrypted"
    TNEF = "tnef"


class Version(StrEnum):
    """A version of a body that is in two."""

    HTML = "html"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a message.

    Attributes:
        text: The text: text/plain unchanged, or HTML converted.
        removed: What was left out of HTML because a reader would not see it, in words.
        notes: What a reader has to know of it.
    """

    text: str
    removed: tuple[str, ...]
    notes: tuple[BodyNote, ...]


def parse_tree(raw: bytes, headers: HeaderBlock | None = None) -> Part:
    """Return the MIME tree of a message; what an S/MIME wrapper holds is part of it.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    tree = parse_parts(raw, headers)
    wrapped = [tree]
    for _ in range(_MAX_WRAPPERS):
        wrapped = [
            inner for part in wrapped for leaf in get_leaves(part) for inner in _unwrap(leaf)
        ]
    return tree


def _unwrap(part: Part) -> list[Part]:
    """Give a CMS wrapper its content as a child; return that."""
    if not is_cms(part):
        return []
    cms = read_cms(part.content())
    if cms is None or not cms.content:
        return []
    inner = parse_parts(cms.content)
    if not inner.headers.first("content-type"):
        return []  # a signed file rather than a signed message
    part.children = [inner]
    return [inner]


def is_cms(part: Part) -> bool:
    """Return whether a part says that it is an S/MIME message (RFC 8551 section 3.2.1)."""
    return part.content_type in _CMS_TYPES or (
        part.content_type == "application/octet-stream" and part.file_name().lower() == "smime.p7m"
    )


def get_leaves(part: Part) -> list[Part]:
    """Return the parts that have none in them, in their order."""
    if not part.children:
        return [part]
    return [leaf for child in part.children for leaf in get_leaves(child)]


def read_body(tree: Part, version: Version | None = None) -> Body:
    """Return the body of a message.

    Args:
        tree: Its MIME tree, of `parse_tree`.
        version: The version to prefer where there are two; default, the one to show.
    """
    reader = _BodyReader(version)
    texts = [*reader.collect(tree), *_describe_calendars(tree)]
    text = "\n\n".join(filter(None, (text.text for text in texts)))
    removed = dict.fromkeys(reason for text in texts for reason in text.removed)
    notes = dict.fromkeys((*_find_wrappers(tree), *_find_armour(text), *reader.notes))
    return Body(text, tuple(removed), tuple(notes))


def _describe_calendars(tree: Part) -> list[Markdown]:
    """Return the calendars of a message in words; the same one often comes twice."""
    parts = [part for part in get_leaves(tree) if is_calendar(part)][:_MAX_CALENDARS]
    return [Markdown(text, ()) for text in dict.fromkeys(map(_describe_calendar, parts)) if text]


def _describe_calendar(part: Part) -> str:
    label = get_parameter(part.declared, "charset")
    return describe_calendar(decode(part.content(), label).text)


def find_html(tree: Part) -> str | None:
    """Return the first HTML text of a message that is not an attachment; None without one."""
    leaves = (part for part in get_leaves(tree) if part.content_type == "text/html")
    return next((part.text() for part in leaves if not part.is_attachment), None)


@dataclass(slots=True)
class _BodyReader:
    version: Version | None
    notes: list[BodyNote] = field(default_factory=list)

    def collect(self, part: Part) -> list[Markdown]:
        """Return the texts of the body in their order, one of each set of alternatives."""
        if part.content_type == "multipart/alternative" and part.children:
            return self._choose(part.children)
        if part.children:
            return [text for child in part.children for text in self.collect(child)]
        if part.is_attachment:
            return []
        decoded = part.read_text()
        if part.is_html:
            markdown = html_to_markdown(decoded.text)
            return [Markdown(markdown.text, (*markdown.removed, *decoded.notes))]
        return [Markdown(decoded.text.strip("\n"), decoded.notes)]

    def _choose(self, alternatives: list[Part]) -> list[Markdown]:
        """Return the plain text or the HTML; if both are empty, any alternative that is not."""
        plain = self._find_text([p for p in alternatives if p.content_type == "text/plain"])
        others = [part for part in reversed(alternatives) if part.content_type != "text/plain"]
        # HTML for watches and for AMP is a lesser version of the HTML.
        rich = self._find_text(sorted(others, key=Part.is_lesser_html))
        if not plain or not rich:
            return plain or rich
        preferred, note = _compare(_join(plain), _join(rich))
        if self.version is None:
            self.notes.append(note)
        return rich if (self.version or preferred) is Version.HTML else plain

    def _find_text(self, parts: list[Part]) -> list[Markdown]:
        for part in parts:
            texts = self.collect(part)
            if any(text.text.strip() for text in texts):
                return texts
        return []


def _join(texts: list[Markdown]) -> str:
    return "\n".join(text.text for text in texts)


def _compare(plain: str, html: str) -> tuple[Version, BodyNote]:
    """Return which of two versions to show, and what to say of the other."""
    in_plain, in_html = _count_words(plain), _count_words(html)
    if not in_html:
        return Version.TEXT, BodyNote.HTML_VERSION
    size, common = in_plain.total(), (in_plain & in_html).total()
    added = size - common
    is_same_text = added * 2 <= size and added <= max(_MAX_ADDED, size // _MAX_ADDED_PART)
    if not is_same_text or size * _MIN_SHARE_OF_HTML < in_html.total():
        return Version.HTML, BodyNote.TEXT_DIFFERS
    is_equal = common == size == in_html.total()
    return Version.TEXT, BodyNote.HTML_VERSION if is_equal else BodyNote.HTML_DIFFERS


def _count_words(text: str) -> Counter[str]:
    """Count the words of a text, without web addresses."""
    words = _WORD.finditer(_ADDRESS.sub(" ", text.casefold()))
    return Counter(match[0] for match, _ in zip(words, range(_WORDS_COMPARED), strict=False))


def _find_wrappers(tree: Part) -> Iterator[BodyNote]:
    """Yield what the parts say of signatures, encryption and Outlook's own format."""
    for part in tree.walk():
        if is_cms(part):
            yield from _describe_cms(part)
        elif part.content_type in _SIGNATURE_TYPES:
            yield BodyNote.SMIME_SIGNED
        elif part.content_type == _PGP_SIGNATURE_TYPE:
            yield BodyNote.PGP_SIGNED
        elif part.content_type in {PGP_TYPE, "multipart/encrypted"}:
            yield BodyNote.PGP_ENCRYPTED
        elif part.content_type in _TNEF_TYPES or part.file_name().lower() == "winmail.dat":
            yield BodyNote.TNEF


def _describe_cms(part: Part) -> Iterator[BodyNote]:
    cms = read_cms(part.content())
    if cms is None:
        yield BodyNote.SMIME_UNREADABLE
    elif cms.wrapper is Wrapper.ENCRYPTED:
        yield BodyNote.SMIME_ENCRYPTED
    elif cms.wrapper is Wrapper.SIGNED:
        yield BodyNote.SMIME_SIGNED


def _find_armour(text: str) -> Iterator[BodyNote]:
    """Yield what PGP's armour in a text says (RFC 9580 section 6)."""
    if "-----BEGIN PGP " in text:
        if "-----BEGIN PGP MESSAGE-----" in text:
            yield BodyNote.PGP_ENCRYPTED
        if "-----BEGIN PGP SIGNED MESSAGE-----" in text:
            yield BodyNote.PGP_SIGNED
