"""The bound on parsing Markdown: beyond a number of steps a text is shown as it was written.

Each bracket makes markdown-it search its paragraph, and each level of nested images parse their
text again. Counted are the attempts to read something at a place, and the places that a search
skips because they were read before.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
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
