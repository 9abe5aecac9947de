"""The webhooks page: its table of events matches the server."""

from __future__ import annotations

import re
from pathlib import Path

from multimail.webhooks import EVENT_TYPES
from multimail_server.services.events import EVENT_KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| (?:`([a-z.]+)`)? ?\|", PAGE, re.MULTILINE)


def test_the_events_are_those_that_the_server_knows() -> None:
    documented = {kind: kind for kind, _ in ROWS} | {also: kind for kind, also in ROWS if also}
    assert documented == {name: kind.value for name, kind in EVENT_KINDS.items()}


def test_the_client_and_the_server_mean_the_same_by_each_name() -> None:
    assert {name: kind.kind for name, kind in EVENT_TYPES.items()} == {
        name: kind.value for name, kind in EVENT_KINDS.items()
    }
