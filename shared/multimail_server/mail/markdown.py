"""Visible HTML to markdown: markdownify over a tree of Beautiful Soup, in linear time.

What `hidden_text` writes is complete and regular, so it needs no parser of HTML any more. And
markdownify asks the tree some questions once for each element that take time with its size.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from bs4 import BeautifulSoup
from bs4.builder import HTMLTreeBuilder
from bs4.element import Tag
from markdownify import MarkdownConverter

from .layout_tables import without_layout_tables

_TOKEN = re.compile(r'<(/?)([^ >]+)((?: [a-z]+="[^"]*")*)>|([^<]+)')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')


def markdown_of(visible: str) -> str:
    """Return what `visible_html` wrote as markdown."""
    # `body` keeps Beautiful Soup from guessing that a short text is a file's name.
    soup = BeautifulSoup(
        f"<body>{visible}</body>", builder=_Builder(), element_classes={Tag: _Element}
    )
    without_layout_tables(soup)
    try:
        text: str = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup)
    except RecursionError:
        text = soup.get_text("\n", strip=True)
    return text


class _Builder(HTMLTreeBuilder):
    """Builds the tree of markup in which all is escaped, and closed."""

    def feed(self, markup: Any) -> None:
        """Tell Beautiful Soup what stands in the markup."""
        soup: Any = self.soup
        for close, name, attributes, text in _TOKEN.findall(markup):
            if text:
                soup.handle_data(unescape(text))
            elif not close:
                given = _ATTRIBUTE.findall(attributes) if attributes else ()
                soup.handle_starttag(name, None, None, {key: unescape(said) for key, said in given})
                if self.can_be_empty_element(name):
                    soup.handle_endtag(name)
            elif not self.can_be_empty_element(name):
                soup.handle_endtag(name)


class _Element(Tag):
    """An element that answers markdownify at once: the tree does not change while it asks."""

    _found: dict[tuple[str, ...], Any] | None = None
    _place: int | None = None

    def find_parent(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return the innermost element of a name that this one stands in."""
        if not isinstance(name, str) or others or named:
            return super().find_parent(name, *others, **named)
        above = self.parent
        while above is not None and above.name != name:
            above = above.parent
        return above

    def find_all(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return the elements of some names that stand in this one, looking for them once."""
        if not isinstance(name, str | list) or others or named:
            return super().find_all(name, *others, **named)
        names = (name,) if isinstance(name, str) else tuple(name)
        if self._found is None:
            self._found = {}
        if names not in self._found:
            tags = (one for one in self.descendants if isinstance(one, Tag))
            self._found[names] = [tag for tag in tags if tag.name in names]
        return self._found[names]

    def find_previous_siblings(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return as many numbers as siblings of a name stand before this one.

        Markdownify only counts them, and for each item of a list from its start.
        """
        if name != self.name or others or named:
            return super().find_previous_siblings(name, *others, **named)
        self._place = 0
        for before in self.previous_siblings:
            if isinstance(before, _Element) and before.name == name:
                self._place += 1
                if before._place is not None:
                    self._place += before._place
                    break
        return range(self._place)
