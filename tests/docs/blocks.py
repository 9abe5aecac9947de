"""The fenced blocks of the pages, with the comment before a block that says how to run it.

`<!-- continues -->` joins a block to the previous one of its language: they run as one.
`<!-- not run: why -->` leaves it out, with the reason.
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
_COMMENT = re.compile(r"<!-- (?:(?P<continues>continues)|not run: (?P<why>[^>]+?)) -->\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path in the project.
        line: The line of its opening fence, from 1.
        language: The word after the fence; may be empty.
        text: The content.
        continues: Whether it runs together with the previous block of its language.
        not_run: Why it isn't run; empty if it is.
    """

    page: str
    line: int
    language: str
    text: str
    continues: bool = False
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_test(self) -> bool:
        """Whether it's a test for pytest."""
        return self.language == "python" and bool(re.search(r"^def test_", self.text, re.MULTILINE))


def list_pages() -> Iterator[str]:
    """Yield the paths of the pages whose blocks are run."""
    for pattern in ("*.md", "docs/**/*.md", "integrations/*/README.md"):
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix()


@cache
def list_blocks() -> tuple[Block, ...]:
    """Return the blocks of all pages."""
    return tuple(block for page in list_pages() for block in read_blocks(page))


def read_blocks(page: str) -> list[Block]:
    """Return a page's blocks in order."""
    return parse_blocks((ROOT / page).read_text("utf-8"), page)


def parse_blocks(text: str, page: str = "page.md") -> list[Block]:
    """Return the blocks of a Markdown text in order."""
    blocks: list[Block] = []
    previous: Token | None = None
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence":
            blocks.append(_build_block(page, token, previous))
        previous = token
    return blocks


def _build_block(page: str, fence: Token, previous: Token | None) -> Block:
    comment = None
    if previous is not None and previous.type == "html_block":
        comment = _COMMENT.fullmatch(previous.content)
    return Block(
        page,
        (fence.map or [0])[0] + 1,
        fence.info.partition(" ")[0],
        fence.content,
        continues=bool(comment and comment["continues"]),
        not_run=(comment["why"] or "") if comment else "",
    )


def get_code(block: Block) -> str:
    """Return a block's text, after the text of the blocks that it continues."""
    texts: list[str] = []
    earlier = [other for other in read_blocks(block.page) if other.line <= block.line]
    for other in reversed(earlier):
        if other.language == block.language:
            texts.insert(0, other.text)
            if not other.continues:
                return "\n".join(texts)
    raise ValueError(f"{block} has no block to continue")
