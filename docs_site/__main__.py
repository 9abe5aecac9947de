"""Draws the pictures in docs/pictures/, all or the named ones: scripts/docs-pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs_site import approval_pictures

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def draw_architecture(directory: Path) -> None:
    """Write architecture.svg with Graphviz."""
    source = PICTURES / "architecture.dot"
    command = ["dot", "-Tsvg", str(source), "-o", str(directory / "architecture.svg")]
    subprocess.run(command, check=True)  # noqa: S603 - our own arguments, no shell


DRAWERS: dict[str, Callable[[Path], None]] = {
    "approval": approval_pictures.draw,
    "architecture": draw_architecture,
}


def main(names: list[str]) -> None:
    """Draw the named pictures, or all of them."""
    unknown = sorted(set(names) - set(DRAWERS))
    if unknown:
        sys.exit(f"There is no picture {unknown[0]}; the pictures are {', '.join(DRAWERS)}.")
    for name in names or DRAWERS:
        print(f"drawing {name} …", flush=True)
        try:
            DRAWERS[name](PICTURES)
        except FileNotFoundError as error:
            sys.exit(f"{error}. It needs: apt install graphviz chromium fonts-dejavu-core")


if __name__ == "__main__":
    main(sys.argv[1:])
