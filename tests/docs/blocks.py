"""The fenced blocks of the pages, and what a comment before one says about running it.

`<!-- goes on -->` joins a block to the one before it of its language: they are run as one.
`<!-- not run: why -->` leaves it out, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
_COMMENT = re.compile(r"<!-- (?:(?P<on>goes on)|not run: (?P<why>[^>]+?)) -->\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path in the project.
        line: Where it begins, from 1.
        language: The word after the fence; empty where there is none.
        text: What it holds.
        goes_on: Whether it is to be run after the block before it.
        not_run: Why it is not run; empty where it is.
    """

    page: str
    line: int
    language: str
    text: str
    goes_on: bool = False
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_test(self) -> bool:
        """Whether it is a test for pytest."""
        return self.language == "python" and bool(re.search(r"^def test_", self.text, re.MULTILINE))


def pages() -> Iterator[str]:
    """Yield the pages whose blocks are run."""
    for pattern in ("README.md", "docs/**/*.md", "integrations/*/README.md"):
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix()


@cache
def every_block() -> tuple[Block, ...]:
    """Return the blocks of all pages."""
    return tuple(block for page in pages() for block in blocks_of(page))


def blocks_of(page: str) -> list[Block]:
    """Return a page's blocks, in their order."""
    return blocks_in((ROOT / page).read_text("utf-8"), page)


def blocks_in(text: str, page: str = "page.md") -> list[Block]:
    """Return the blocks of a text."""
    found: list[Block] = []
    before: Token | None = None
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence":
            found.append(_block(page, token, before))
        before = token
    return found


def _block(page: str, fence: Token, before: Token | None) -> Block:
    said = None
    if before is not None and before.type == "html_block":
        said = _COMMENT.fullmatch(before.content)
    return Block(
        page,
        (fence.map or [0])[0] + 1,
        fence.info.partition(" ")[0],
        fence.content,
        goes_on=bool(said and said["on"]),
        not_run=(said["why"] or "") if said else "",
    )


def joined(block: Block) -> str:
    """Return a block's text, after that of the blocks that it goes on from."""
    texts: list[str] = []
    before = (one for one in every_block() if one.page == block.page and one.line <= block.line)
    for one in reversed([*before]):
        if one.language == block.language:
            texts.insert(0, one.text)
            if not one.goes_on:
                return "\n".join(texts)
    raise ValueError(f"{block} goes on from nothing")
