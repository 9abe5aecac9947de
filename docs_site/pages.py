"""Pages that come from elsewhere in the project: integrations, the changelog, the code."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from docs_site import commands_page, tools_page

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def generated() -> dict[str, str]:
    """Return the generated pages: their paths in the site, and their Markdown."""
    pages = {
        "reference/tools.md": tools_page.rendered(),
        "reference/command-line.md": commands_page.rendered(),
    }
    for source in [ROOT / "CHANGELOG.md", *sorted(ROOT.glob("integrations/*/README.md"))]:
        inside = source.relative_to(ROOT).as_posix()
        pages[_site_path(inside)] = relinked(source.read_text("utf-8"), inside)
    return pages


def relinked(text: str, inside: str) -> str:
    """Return a page of the project with its links as they are on the site.

    Args:
        text: The page's Markdown.
        inside: Its path in the project.
    """
    page = _site_path(inside)

    def site_link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(inside), found[1]))
        return posixpath.relpath(_site_path(target), posixpath.dirname(page) or ".")

    return _LINK.sub(site_link, text)


def _site_path(inside: str) -> str:
    integration = re.fullmatch(r"integrations/(\w+)/README\.md", inside)
    if integration:
        return f"frameworks/{integration[1]}.md"
    if inside == "README.md":
        return "index.md"
    if inside == "CHANGELOG.md":
        return "changelog.md"
    return inside.removeprefix("docs/")
