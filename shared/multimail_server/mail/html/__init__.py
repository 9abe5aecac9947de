"""HTML mail as Markdown: what a reader sees of an HTML body."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HTML_CHARS = 2_000_000


@dataclass(frozen=True, slots=True)
class Markdown:
    """An HTML body as Markdown.

    Attributes:
        text: The Markdown.
        removed: What was removed because a reader would not see it, in words.
    """

    text: str
    removed: tuple[str, ...]


def html_to_markdown(html: str) -> Markdown:
    """Return what a reader sees of an HTML body, as Markdown. Nothing is fetched.

    Text that styles hide, comments, scripts and images with their alternative texts are removed.
    Of more than 2,000,000 characters nothing is returned, because what is not parsed could hide the
    rest.
    """
    # Imported with the first HTML mail, which keeps them out of the server's start.
    from .markdown import render_markdown
    from .visibility import extract_visible_html

    visible = extract_visible_html(html, MAX_HTML_CHARS)
    text = render_markdown(visible.html)
    lines = (line.rstrip() for line in text.replace("\xa0", " ").splitlines())
    return Markdown(_collapse_blank_lines("\n".join(lines)).strip(), visible.removed)


def _collapse_blank_lines(text: str) -> str:
    kept: list[str] = []
    for line in text.split("\n"):
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept)
