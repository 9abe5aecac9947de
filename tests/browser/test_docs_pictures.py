"""The documentation's pictures of the human's page can be drawn as the page is today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def test_each_committed_picture_is_drawn_again(chromium: Any, tmp_path: Path) -> None:
    from docs_site import approval_pictures

    approval_pictures.take_pictures(chromium, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in PICTURES.glob("*.png")}
