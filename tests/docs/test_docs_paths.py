"""Paths and links in the project's own files lead to files that exist."""

from __future__ import annotations

import re

import pytest
from docs_site.pages import generated
from tests.docs.blocks import ROOT, list_pages

_PATH = re.compile(
    r"`((?:benchmarks|docs|docs_site|examples|integrations|scripts|shared|tests)/[^`]*)`"
)
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", [*list_pages()])
def test_paths_in_text_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    paths = [path for path in _PATH.findall(text) if not re.search(r"[<*…\s]", path)]
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", [*list_pages()])
def test_links_lead_to_files(page: str) -> None:
    folder = (ROOT / page).parent
    targets = [folder / target for target in _LINK.findall((ROOT / page).read_text("utf-8"))]
    generated_pages = {ROOT / "docs" / path for path in generated()}
    missing = [target for target in targets if not target.exists()]
    assert not [target for target in missing if target.resolve() not in generated_pages]
