"""MkDocs' hooks: pages that are no files in docs/ stand beside those that are."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs_site.pages import generated, relinked


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add each generated page."""
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point a page's links to files of the project at the pages that show them."""
    del config, files
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}")
