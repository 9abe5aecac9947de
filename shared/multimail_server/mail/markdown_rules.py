"""Markdown as mail means it: what a person would write as characters stays characters.

The parser is markdown-it with rules replaced through its rulers. Against CommonMark:

- a line break is a line break, and no line under a text makes that text a heading;
- `-- ` begins a signature, and a line without `>` is never part of a quotation;
- a list has two items, or one with content below it; `+` is no bullet, `1)` no number;
- `# 42` and an empty `#` are no headings, `>5` is no quotation, `~~~` opens no code;
- asterisks within a word or a sum mark nothing, backslashes in paths escape nothing;
- there are no definitions of links, whose lines CommonMark hides;
- only http, https and mailto are links, also where they stand bare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import MutableMapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import (
    StateBlock,
    blockquote,
    fence,
    heading,
    list_block,
    paragraph,
    table,
)
from markdown_it.rules_core import StateCore
from markdown_it.rules_core.linkify import linkify as link_addresses
from markdown_it.rules_inline import StateInline, autolink, linkify
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from markdown_it.utils import EnvType

MAX_ATTEMPTS = 5_000
"""How many attempts any text may take, in addition to 0.8 for each of its characters."""
_ATTEMPTS_PER_CHARACTER = 0.8
_SKIPS_PER_ATTEMPT = 20
_BUDGET = "steps_left"


class TooManyStepsError(Exception):
    """A text takes more steps to parse than its length allows."""


def set_budget(environment: MutableMapping[str, Any], length: int) -> None:
    """Allow the steps for a text of `length` characters."""
    attempts = MAX_ATTEMPTS + _ATTEMPTS_PER_CHARACTER * length
    environment[_BUDGET] = int(attempts * _SKIPS_PER_ATTEMPT)


def _spend(state: StateInline, steps: int) -> None:
    left = state.env[_BUDGET] = state.env.get(_BUDGET, 0) - steps
    if left < 0:
        raise TooManyStepsError


class BoundedInline(ParserInline):
    """A parser of what stands in a line, which counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.ruler.before("text", "bound", _count_attempt)

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """Append the tokens of a line to `tokens`; one in which no rule can begin is one text."""
        if src and self.terminator_re.search(src) is None:
            tokens.append(Token("text", "", 0, content=src))
            return tokens
        return super().parse(src, md, env, tokens)

    def skipToken(self, state: StateInline) -> None:  # noqa: N802 - the name in the base class
        """Skip what begins at a place; a search for the end of a link does so at each."""
        _spend(state, 1)
        super().skipToken(state)


def _count_attempt(state: StateInline, _silent: bool) -> bool:
    _spend(state, _SKIPS_PER_ATTEMPT)
    return False


def build_verbatim_tokens(text: str) -> list[Token]:
    """Return tokens that show a text as it was written, line by line."""
    children: list[Token] = []
    for line in text.split("\n"):
        children += [Token("text", "", 0, content=line), Token("softbreak", "br", 0)]
    inline = Token("inline", "", 0, content=text, children=children[:-1], block=True)
    paragraph = Token("paragraph_open", "p", 1, block=True)
    return [paragraph, inline, Token("paragraph_close", "p", -1, block=True)]


_INTERRUPTING = ["paragraph", "reference", "blockquote", "list"]
_LOOK_AHEAD = 200
"""Lines after an item of a list in which a second one is searched for."""
_LOOK_BEHIND = 260
_MAX_DELIMITERS = 3
_ENCLOSURES = frozenset(
    {"()", "[]", "{}", "''", '""', "//", "^^", "\u201c\u201d", "\u2018\u2019", "\xab\xbb"}
)

_MARKUP = re.compile(r"[\n&*<\[\\\]_`~]|:(?=//)|!(?=\[)")
"""What a rule of the line can begin with, or a search for the end of a link stop at."""
_ITEM = re.compile(r"([-*]|[0-9]{1,9}\.)(?:[ \t]+|$)")
_NO_HEADING = re.compile(r"#{1,6}[ \t#]*|#[ \t]+(?:[0-9]|of\b).*", re.DOTALL)
_NO_QUOTE = re.compile(r">[=0-9]")
_IN_PATH = re.compile(r"(?:\b|^)[A-Za-z]:$|\\[A-Za-z0-9]|^[A-Za-z]:\\")
_IDENTIFIER = re.compile(r"(?<![\w_])__[a-z][a-z0-9]{0,30}(?:_[a-z0-9]{1,30}){0,4}__(?![\w_])")
_BARE_LINK = re.compile(r"https?://[^\s<>]", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<br[ \t]*/?>[ \t]*\n?", re.IGNORECASE)
_EMAIL = re.compile(r"<[^\s<>@:/]{1,64}@[^\s<>@:/]{1,255}>")
_LINK = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@:/?#]{1,64}@[^\s@:/?#]{1,255}")
# Han, kana, Hangul, Thai, Lao, Burmese, Khmer, and their punctuation in full width.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3000-\u30ff\u3130-\u318f"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


class MailMarkdown(MarkdownIt):
    """The parser: its links are http, https and mailto, and read as they were written."""

    def parse(self, src: str, env: EnvType | None = None) -> list[Token]:
        """Return the tokens of a text; those of its source if parsing it takes too many steps."""
        environment: EnvType = {} if env is None else env
        set_budget(environment, len(src))
        try:
            return super().parse(src, environment)
        except TooManyStepsError:
            return build_verbatim_tokens(src)

    def validateLink(self, url: str) -> bool:  # noqa: N802
        """Return whether a mail may link to `url`."""
        return _LINK.match(url) is not None

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        """Return `url` encoded; a bare host or address gets its scheme."""
        if url.lower().startswith("www."):
            url = f"https://{url}"
        elif _ADDRESS.fullmatch(url):
            url = f"mailto:{url}"
        return super().normalizeLink(url)

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802
        """Return `link` itself: decoded, it could name another host than it leads to."""
        return link


def build_parser(renderer: type[RendererHTML]) -> MarkdownIt:
    """Return a parser of mail's Markdown.

    Args:
        renderer: Writes its tokens.
    """
    options = {"html": False, "breaks": True, "linkify": True}
    parser = MailMarkdown("js-default", options, renderer_cls=renderer)
    parser.inline = BoundedInline()
    parser.configure("js-default", options)
    parser.inline.ruler.enable("bound")
    assert parser.linkify is not None  # the extra `server` installs it
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": True, "fuzzy_ip": False})
    parser.disable(["lheading", "reference", "html_block", "html_inline"])
    parser.disable(["replacements", "smartquotes"])
    parser.inline.terminator_re = _MARKUP
    block, inline = parser.block.ruler, parser.inline.ruler
    block.before("table", "words", _words)
    block.at("table", _table, {"alt": ["paragraph", "reference"]})
    block.at("list", _list, {"alt": ["paragraph", "reference", "blockquote"]})
    block.at("heading", _heading, {"alt": ["paragraph", "reference", "blockquote"]})
    block.at("fence", _fence, {"alt": _INTERRUPTING})
    block.at("blockquote", _quotation, {"alt": _INTERRUPTING})
    block.before("list", "signature", _signature, {"alt": _INTERRUPTING})
    block.after("list", "quotation_end", _quotation_end, {"alt": ["blockquote"]})
    inline.at("emphasis", _emphasis)
    inline.before("emphasis", "identifier", _identifier)
    inline.at("autolink", _autolink)
    inline.at("linkify", _bare_link)
    inline.before("escape", "path", _path)
    inline.before("autolink", "break_tag", _break_tag)
    parser.core.ruler.after("block", "item_numbers", _number_items)
    parser.core.ruler.at("linkify", _link_addresses)
    return parser


def _get_line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return _may_be_ruled(state, start, end) and table(state, start, end, silent)


def _may_be_ruled(state: StateBlock, start: int, end: int) -> bool:
    """Return whether the line after `start` can be the rule below the head of a table."""
    return start + 1 < end and _get_line(state, start + 1)[:1] in ("|", "-", ":")


def _words(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Begin a paragraph at a letter without trying the rules of all other blocks."""
    first = state.src[state.bMarks[start] + state.tShift[start]]
    if not first.isalpha() or state.is_code_block(start) or _may_be_ruled(state, start, end):
        return False
    return paragraph(state, start, end, silent)


def _get_marker(state: StateBlock, line: int) -> tuple[str, int]:
    """Return what marks a line as an item of a list, and the column of the item's content."""
    match = _ITEM.match(_get_line(state, line))
    return (match[1][-1], state.sCount[line] + len(match[0])) if match else ("", 0)


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    marker, column = _get_marker(state, start)
    # In an item, any other item is one, below it or after it.
    if not marker or not (state.blkIndent or _is_list(state, start, end, marker, column)):
        return False
    return list_block(state, start, end, silent)


def _is_list(state: StateBlock, start: int, end: int, marker: str, column: int) -> bool:
    """Return whether a second item or content below it follows the item at `start`."""
    after_blank = False
    for line in range(start + 1, min(end, start + _LOOK_AHEAD)):
        if state.isEmpty(line):
            after_blank = True
            continue
        other, _ = _get_marker(state, line)
        if other == marker or state.sCount[line] >= column:
            return True
        if after_blank or other:
            return False
    return False


def _heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if _NO_HEADING.fullmatch(_get_line(state, start)):
        return False
    return heading(state, start, end, silent)


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return not _get_line(state, start).startswith("~") and fence(state, start, end, silent)


def _quotation(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if _NO_QUOTE.match(_get_line(state, start)):
        return False
    return blockquote(state, start, end, silent)


def _quotation_end(state: StateBlock, _start: int, _end: int, silent: bool) -> bool:
    """End a quotation at a line without `>`; it begins no block by itself."""
    return silent and state.parentType == "blockquote"


def _signature(state: StateBlock, start: int, _end: int, silent: bool) -> bool:
    """End what precedes the line `-- ` (RFC 3676 section 4.3); a paragraph begins there."""
    return silent and _get_line(state, start).rstrip() == "--"


def _emphasis(state: StateInline, silent: bool) -> bool:
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    scanned = state.scanDelims(state.pos, False)
    end = state.pos + scanned.length
    before = state.src[state.pos - 1 : state.pos] or " "
    after = state.src[end : end + 1] or " "
    opens, closes = scanned.can_open, scanned.can_close
    if marker == "*" and (_UNSPACED.match(before) or _UNSPACED.match(after)):
        opens, closes = not after.isspace(), not before.isspace()
    is_mask = scanned.length + ("-" in (before, after)) > _MAX_DELIMITERS
    is_sum = _is_operand(before, ")]}") and _is_operand(after, "([{")
    if is_mask or is_sum or before + after in _ENCLOSURES:
        opens = closes = False
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(
                ord(marker), scanned.length, len(state.tokens) - 1, -1, open=opens, close=closes
            )
        )
    state.pos = end
    return True


def _identifier(state: StateInline, silent: bool) -> bool:
    """Keep the underscores of an identifier such as `__init__`."""
    match = _IDENTIFIER.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        state.pending += match[0]
    state.pos = match.end()
    return True


def _is_operand(character: str, brackets: str) -> bool:
    """Return whether a character next to an asterisk belongs to a word or a sum."""
    if character in brackets or unicodedata.category(character) == "Sc":
        return True
    return character.isalnum() and not _UNSPACED.match(character)


def _path(state: StateInline, silent: bool) -> bool:
    """Keep the backslashes of a path, such as `C:\\new` or `\\\\server\\share`."""
    source, at = state.src, state.pos
    if source[at] != "\\":
        return False
    end = at + 2 if source.startswith("\\\\", at) else at + 1
    before = source[max(0, at - _LOOK_BEHIND) : at]
    if end == at + 1 and not _is_in_path(before):
        return False
    if not silent:
        state.pending += source[at:end]
    state.pos = end
    return True


def _is_in_path(before: str) -> bool:
    word = re.split(r"\s", before)[-1]
    return _IN_PATH.search(word) is not None


def _break_tag(state: StateInline, silent: bool) -> bool:
    """Read `<br>` as a line break, but not where it is spoken of, between two blanks."""
    match = _BREAK_TAG.match(state.src, state.pos)
    if match is None:
        return False
    before = state.src[state.pos - 1 : state.pos]
    if before in (" ", "\t") and match[0][-1] in " \t":
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = match.end()
    return True


def _autolink(state: StateInline, silent: bool) -> bool:
    """Read `<https://example.com>` as a link; an address keeps its angle brackets."""
    if _EMAIL.match(state.src, state.pos):
        return False
    return autolink(state, silent)


def _bare_link(state: StateInline, silent: bool) -> bool:
    """Read a bare URL as a link; what can be none is not searched for its scheme."""
    at = state.pos
    if state.src[at] != ":" or not _BARE_LINK.search(state.src[max(0, at - 5) : at + 4]):
        return False
    return linkify(state, silent)


def _link_addresses(state: StateCore) -> None:
    """Link bare addresses and URLs; a text without their signs is not searched."""
    if "@" in state.src or "//" in state.src:
        link_addresses(state)


def _number_items(state: StateCore) -> None:
    """Keep the numbers of ordered lists, unless every item has the number 1."""
    lists: list[list[Token]] = []
    for token in state.tokens:
        if token.type.endswith("_list_open"):
            lists.append([])
        elif token.type == "list_item_open" and token.info:
            lists[-1].append(token)
        elif token.type.endswith("_list_close"):
            _number(lists.pop())


def _number(items: list[Token]) -> None:
    numbers = [int(item.info) for item in items]
    if all(number == 1 for number in numbers):
        return
    for item, number, before in zip(items[1:], numbers[1:], numbers, strict=False):
        if number != before + 1:
            item.attrSet("value", str(number))
