"""Style sheets: the rules of a mail's own `style` elements, and which of them apply to an element.

Selectors are evaluated by tag, id, class and attribute, and by ancestors. Anything beyond (`>`,
`+`, `:nth-child()` …) is assumed to match, and then only declarations that hide count: text that a
rule might hide is hidden. States that don't occur while reading (`:hover`) never match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .css_properties import Keyframes, can_hide, parse_relevant_declarations
from .css_values import (
    Declaration,
    decode_data_url,
    iter_blocks,
    split_css,
    strip_comments,
    unescape_css,
)

_WORD = r"(?:[\w-]|[^\x00-\x7f]|\\[0-9a-fA-F]{1,6}\s?|\\.)+"
_NESTED = r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"
_SIMPLE = re.compile(
    rf"""(?P<combinator>\s*[>+~]\s*|\s+)|\*|(?P<tag>{_WORD})|\#(?P<id>{_WORD})|\.(?P<cls>{_WORD})
    |\[\s*(?P<name>{_WORD})\s*(?:(?P<test>[~|^$*]?=)\s*(?P<value>"[^"]*"|'[^']*'|[^\]\s]+)\s*[is]?\s*)?\]
    |:(?P<pseudo>:?{_WORD})(?:\((?P<arguments>(?:[^()]|{_NESTED})*)\))?""",
    re.VERBOSE,
)
_IMPORT = re.compile(
    r"""@(?:i|\\0{0,4}[46]9[ \t]?)(?:m|\\0{0,4}[46]d[ \t]?)port\s*+(?:url\(\s*+)?
    (?:"([^"]*+)"|'([^']*+)'|([^\s"'(){};]++(?:;base64,[^\s"'(){};]*+)?))""",
    re.VERBOSE | re.IGNORECASE,
)
_NAMESPACE = re.compile(r"(?:\*|[\w-]{1,20})?\|(?!=)")
_NEVER_MATCHES = re.compile(
    r":.*|-(?:ms|moz|webkit|o)-.*|hover|active|focus.*|visited|checked|target|disabled|enabled|before|"
    r"after|first-l.*|placeholder.*|fullscreen|invalid|valid|required|selection|popover-open"
)
_CONDITION = re.compile(r"@(supports|layer|container|scope|media)\b", re.IGNORECASE)
_KEYFRAMES = re.compile(r"@(?:-webkit-|-moz-)?keyframes\b", re.IGNORECASE)
_WIDTH = re.compile(r"(max|min)-(?:device-)?width\s*:\s*(\d{1,6})(?:\.\d*)?(px|em|rem|pt)?")
_OTHER_MEDIA = re.compile(
    r"^(?:only\s+)?(?:print|speech|tty|tv|projection|embossed|braille|handheld)\b"
)
_NOT = re.compile(r"not\b")
_SCREEN_WIDTH = 1000
MAX_NESTING = 5
MAX_NESTED = 20
MAX_SELECTOR = 1000
MAX_RULES = 5000
_NO_CLASSES: frozenset[str] = frozenset()


class StyledElement:
    """An element as selectors see it.

    Attributes:
        tag: Its name in lower case.
        attributes: Its attributes; one without a value is empty.
        classes: Its classes.
        keys: The index keys under which rules for it are stored.
    """

    __slots__ = ("attributes", "classes", "keys", "tag")

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        classes = attributes.get("class")
        self.classes = frozenset(classes.split()) if classes else _NO_CLASSES
        own_id = (f"#{attributes['id']}",) if "id" in attributes else ()
        self.keys = (tag, *own_id, *(f".{name}" for name in self.classes))


@dataclass(slots=True)
class _Compound:
    """A compound selector: conditions on a single element."""

    tag: str = ""
    ids: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    tests: list[tuple[str, str, str]] = field(default_factory=list)

    def matches(self, element: StyledElement) -> bool:
        """Return whether an element meets all conditions."""
        return (
            self.tag in ("", element.tag)
            and all(element.attributes.get("id") == own_id for own_id in self.ids)
            and all(name in element.classes for name in self.classes)
            and all(_attribute_matches(element.attributes, *test) for test in self.tests)
        )


def _attribute_matches(attributes: Mapping[str, str], name: str, test: str, value: str) -> bool:
    attribute = attributes.get(name)
    if attribute is None or not test:
        return attribute is not None
    actual, expected = attribute.lower(), value.lower()
    return {
        "=": actual == expected,
        "~=": expected in actual.split(),
        "|=": actual == expected or actual.startswith(f"{expected}-"),
        "^=": actual.startswith(expected),
        "$=": actual.endswith(expected),
        "*=": expected in actual,
    }[test]


class Ancestors:
    """The elements around an element, outermost first."""

    def __init__(self) -> None:
        self._elements: list[StyledElement] = []
        self._keys: dict[str, int] = {}
        self._steps = 0

    def add(self, element: StyledElement) -> None:
        """Enter an element."""
        self._elements.append(element)
        for key in element.keys:
            self._keys[key] = self._keys.get(key, 0) + 1

    def pop(self) -> None:
        """Leave the innermost element."""
        for key in self._elements.pop().keys:
            self._keys[key] -= 1

    def take_step_count(self) -> int:
        """Return how many elements were compared since the last call."""
        steps, self._steps = self._steps, 0
        return steps

    def match(self, compounds: Sequence[_Compound]) -> bool:
        """Return whether elements match the compounds, each inside of the one before."""
        if not all(not key or self._keys.get(key, 0) > 0 for key in map(_index_key, compounds)):
            return False
        self._steps += len(self._elements)
        ancestors = reversed(self._elements)
        return all(any(map(compound.matches, ancestors)) for compound in reversed(compounds))


@dataclass(slots=True)
class _Selector:
    """A selector as far as it is evaluated; `exact` if that is all of it."""

    compounds: list[_Compound] = field(default_factory=lambda: [_Compound()])
    exact: bool = True
    pseudo_ids: int = 0
    pseudo_classes: int = 0

    @property
    def specificity(self) -> tuple[int, int, int]:
        """Ids, classes and attributes, tags (Selectors 4, section 17)."""
        return (
            self.pseudo_ids + sum(len(compound.ids) for compound in self.compounds),
            self.pseudo_classes
            + sum(len(compound.classes) + len(compound.tests) for compound in self.compounds),
            sum(bool(compound.tag) for compound in self.compounds),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """The declarations of one selector.

    Attributes:
        rank: Its specificity and its position; of two rules that apply, the higher one wins.
        declarations: Its relevant declarations.
    """

    rank: tuple[int, int, int, int]
    declarations: tuple[Declaration, ...]
    _compounds: tuple[_Compound, ...]

    def applies(self, element: StyledElement, ancestors: Ancestors) -> bool:
        """Return whether the rule applies to an element.

        Args:
            element: The element.
            ancestors: The elements around it.
        """
        *outer, last = self._compounds
        return last.matches(element) and (not outer or ancestors.match(outer))


class StyleSheet:
    """The rules of all style elements of a mail.

    Attributes:
        count: How many rules there are.
        needs_ancestors: Whether a rule depends on the elements around an element.
    """

    def __init__(self, styles: Sequence[str]) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self.count = 0
        self.needs_ancestors = False
        self.keyframes = Keyframes()
        for css in styles:
            self._read(css, MAX_NESTING)

    def _read(self, css: str, imports: int) -> None:
        source = strip_comments(css).replace("<!--", " ").replace("-->", " ")
        if imports and "data:" in source.lower():
            for match in _IMPORT.finditer(source):
                url = unescape_css(match[1] or match[2] or match[3] or "")
                self._read(decode_data_url(url), imports - 1)
        for prelude, block in _iter_rules(source, MAX_NESTING):
            if prelude.startswith("@"):
                self.keyframes.add(prelude, block)
            else:
                self._add(prelude, block)

    @property
    def is_cut(self) -> bool:
        """Whether there were more than 5,000 rules that could hide something."""
        return self.count > MAX_RULES

    def candidates(self, element: StyledElement) -> list[Rule]:
        """Return the rules that may apply to an element."""
        if not self._rules:
            return []
        rules = list(self._rules.get("", ()))
        for key in element.keys:
            rules += self._rules.get(key, ())
        return rules

    def _add(self, prelude: str, block: str) -> None:
        declarations = () if self.is_cut else tuple(parse_relevant_declarations(block))
        if not declarations:
            return
        for text in split_css(prelude, ","):
            selector = _parse_selector(text.strip())
            if selector is None or self.is_cut:
                continue
            kept = declarations if selector.exact else tuple(filter(can_hide, declarations))
            self.count += 1
            self.needs_ancestors |= len(selector.compounds) > 1
            rank = (*selector.specificity, self.count)
            rule = Rule(rank, kept, tuple(selector.compounds))
            self._rules.setdefault(_index_key(selector.compounds[-1]), []).append(rule)


def _index_key(last: _Compound) -> str:
    if last.ids:
        return f"#{last.ids[0]}"
    return f".{last.classes[0]}" if last.classes else last.tag


def _iter_rules(css: str, nesting: int) -> Iterator[tuple[str, str]]:
    """Yield selectors and blocks, including those in conditional rules that apply."""
    for prelude, block in iter_blocks(css):
        rule = prelude.strip()
        if not rule.startswith("@"):
            yield rule, block
            if nesting and "{" in block:
                yield from _iter_nested_rules(rule, block, nesting - 1)
            continue
        if _KEYFRAMES.match(rule):
            yield rule, block
            continue
        condition = _CONDITION.match(rule)
        applies = condition is not None and (
            condition[1].lower() != "media" or _media_matches(rule[condition.end() :].lower())
        )
        if applies and nesting:
            yield from _iter_rules(block, nesting - 1)


def _iter_nested_rules(outer: str, block: str, nesting: int) -> Iterator[tuple[str, str]]:
    """Yield the rules inside of a rule (CSS Nesting)."""
    for inner, inside in _iter_rules(block, nesting):
        for parent in list(split_css(outer, ","))[:MAX_NESTED]:
            selector = inner.replace("&", parent) if "&" in inner else f"{parent} {inner}"
            yield selector[:MAX_SELECTOR], inside


def _media_matches(queries: str) -> bool:
    """Return whether a media query may apply on a wide screen with light colors."""
    return any(_query_matches(query.strip()) for query in queries.split(","))


def _query_matches(query: str) -> bool:
    negated = _NOT.match(query)
    if negated:
        # What is not a whole screen may be: `not all and (prefers-color-scheme: dark)`.
        return query[negated.end() :].strip() not in ("all", "screen")
    if _OTHER_MEDIA.match(query) or "dark" in query:
        return False
    for bound, number, unit in _WIDTH.findall(query):
        width = int(number) * (16 if unit in ("em", "rem") else 1)
        if (width < _SCREEN_WIDTH) if bound == "max" else (width > _SCREEN_WIDTH):
            return False
    return True


def _parse_selector(text: str) -> _Selector | None:
    """Parse a selector; return None if it can never match."""
    text = _NAMESPACE.sub("", text)
    selector, at = _Selector(), 0
    while at < len(text):
        match = _SIMPLE.match(text, at)
        if match is None or not _add_simple(selector, match):
            return None
        at = match.end()
    return selector if text else None


def _add_simple(selector: _Selector, match: re.Match[str]) -> bool:
    """Add a simple selector or a combinator; return whether the selector can still match."""
    last = selector.compounds[-1]
    if match["combinator"] is not None:
        sign = match["combinator"].strip()
        selector.exact &= not sign
        if sign in ("+", "~"):
            selector.compounds.pop()
        selector.compounds.append(_Compound())
    elif match["tag"]:
        last.tag = unescape_css(match["tag"]).lower()
    elif match["id"]:
        last.ids.append(unescape_css(match["id"]))
    elif match["cls"]:
        last.classes.append(unescape_css(match["cls"]))
    elif match["name"]:
        value = unescape_css((match["value"] or "").strip("\"'"))
        last.tests.append((unescape_css(match["name"]).lower(), match["test"] or "", value))
    elif match["pseudo"]:
        selector.exact = False
        if match["pseudo"].lower() != "where":
            selector.pseudo_ids += "#" in (match["arguments"] or "")
            selector.pseudo_classes += 1
        return _NEVER_MATCHES.fullmatch(match["pseudo"].lower()) is None
    return True
