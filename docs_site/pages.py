"""The pages that are not in docs/: project files, integrations, examples, generated ones."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from docs_site import commands_page, http_page, tools_page

ROOT = Path(__file__).parents[1]
PROJECT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def generated() -> dict[str, str]:
    """Return the generated pages: their paths in the site, and their Markdown."""
    pages = {
        "reference/tools.md": tools_page.render(),
        "reference/command-line.md": commands_page.render(),
        "reference/http.md": http_page.render(),
    }
    project = [ROOT / name for name in PROJECT_PAGES]
    for source in [*project, *sorted(ROOT.glob("integrations/*/README.md"))]:
        inside = source.relative_to(ROOT).as_posix()
        pages[_site_path(inside)] = relinked(source.read_text("utf-8"), inside)
    pages["examples.md"] = _examples()
    return pages


def _examples() -> str:
    """Return the table of the examples, and each example below it."""
    inside = "examples/README.md"
    table = relinked((ROOT / inside).read_text("utf-8"), inside)
    programs = [
        f"## {path.name} {{ #{_anchor(path.name)} }}\n\n```python\n{path.read_text('utf-8')}```\n"
        for path in sorted(ROOT.glob("examples/*.py"))
    ]
    return "\n".join([table, *programs])


def _anchor(name: str) -> str:
    return name.replace(".", "-").replace("_", "-")


def relinked(text: str, inside: str) -> str:
    """Return a page of the project with its links as they are on the site.

    Args:
        text: The page's Markdown.
        inside: Its path in the project.
    """
    page = _site_path(inside)

    def site_link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(inside), match[1]))
        return posixpath.relpath(_site_path(target), posixpath.dirname(page) or ".")

    return _LINK.sub(site_link, text)


def _site_path(inside: str) -> str:
    integration = re.fullmatch(r"integrations/(\w+)/README\.md", inside)
    if integration:
        return f"frameworks/{integration[1]}.md"
    if inside == "README.md":
        return "index.md"
    if inside in PROJECT_PAGES:
        return inside.lower()
    if inside == "examples/README.md":
        return "examples.md"
    if inside.startswith("examples/"):
        return f"examples.md#{_anchor(posixpath.basename(inside))}"
    return inside.removeprefix("docs/")
