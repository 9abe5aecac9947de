"""HTML mail to markdown: the one function that decides what of an HTML body is kept."""

from __future__ import annotations

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

from .html_source import safe_source

MOST_HTML = 2_000_000
_NEVER_SHOWN = [
    "head", "meta", "link", "base", "noscript", "template", "object", "embed", "svg", "math",
    "input", "select",
]  # fmt: skip


def markdown_from_html(html: str) -> str:
    """Return an HTML body as markdown. Nothing is fetched.

    Scripts, styles, the head and comments are dropped and an image becomes its alternative
    text. Text that is hidden by styling is not removed here yet. Input beyond 2,000,000
    characters is cut.
    """
    # The prefix keeps the parser from guessing that a short text is a file name or XML.
    soup = BeautifulSoup(f"<body>{safe_source(html[:MOST_HTML])}", "html.parser")
    for tag in soup.find_all(_NEVER_SHOWN):
        tag.extract()
    for image in soup.find_all("img"):
        image.replace_with(" ".join(str(image.get("alt") or "").split()))
    try:
        text = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup)
    except RecursionError:
        text = soup.get_text("\n", strip=True)
    lines = (line.rstrip() for line in text.replace("\xa0", " ").splitlines())
    return _few_blank_lines("\n".join(lines)).strip()


def _few_blank_lines(text: str) -> str:
    kept: list[str] = []
    for line in text.split("\n"):
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept)
