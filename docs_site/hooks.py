"""MkDocs' hooks: the pages that are not files in docs/ are put beside those that are."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs_site.pages import generated


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add each generated page."""
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files
