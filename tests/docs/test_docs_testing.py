"""The testing page: its JSON is seed mail, and its table of faults is complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.docs.blocks import read_blocks

from multimail_server.testing import ServerUnderTest
from multimail_server.testing.routes import FaultIn

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
(SEED,) = [block.text for block in read_blocks("docs/testing.md") if block.language == "json"]


@pytest.mark.multimail_server(clock="virtual")
def test_the_json_is_seed_mail(multimail_server: ServerUnderTest) -> None:
    stored = multimail_server.seed(json.loads(SEED))
    expected = ["Invoice 12", "Order 7", "Re: Order 7"]
    assert [row["subject"] for row in stored] == expected


def test_every_field_of_a_fault_is_in_the_table() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## Faults")[2], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(FaultIn.model_fields)


def test_the_fixture_asks_no_live_dns(multimail_server: ServerUnderTest) -> None:
    # The real example.org publishes `reject`: with live DNS this would be a forgery.
    multimail_server.deliver("Hello.", subject="From outside", sender="ann@example.org")
    proof = multimail_server.wait_for_message("From outside")["authentication"]
    assert (proof["spf"]["result"], proof["dmarc"]["result"]) == ("none", "none")
