"""Draws the pictures that docs/pictures/ holds, or those that are named: scripts/docs-pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs_site import approval_pictures, recording

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def draw_architecture(directory: Path) -> None:
    """Write architecture.svg, by Graphviz."""
    source = PICTURES / "architecture.dot"
    command = ["dot", "-Tsvg", str(source), "-o", str(directory / "architecture.svg")]
    subprocess.run(command, check=True)  # noqa: S603 - our own words, no shell


DRAWN: dict[str, Callable[[Path], None]] = {
    "approval": approval_pictures.draw,
    "architecture": draw_architecture,
    "demo": recording.draw,
}


def main(wanted: list[str]) -> None:
    """Draw what is wanted, or everything."""
    unknown = sorted(set(wanted) - set(DRAWN))
    if unknown:
        sys.exit(f"There is no picture {unknown[0]}; there are {', '.join(DRAWN)}.")
    for name in wanted or DRAWN:
        print(f"drawing {name} …", flush=True)
        try:
            DRAWN[name](PICTURES)
        except FileNotFoundError as missing:
            sys.exit(f"{missing}. It needs: apt install graphviz chromium fonts-dejavu-core")


if __name__ == "__main__":
    main(sys.argv[1:])
