"""docs/mcp.md names every option of the command, and its configurations are what clients read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import typer
from tests.cli.conftest import run_inside

from multimail.tools import AGENT_TOOLS
from multimail_cli.main import app
from multimail_mcp.conversations import CONVERSATION_HEADER
from multimail_mcp.conversion import FILES_META
from multimail_mcp.resources import build_resources

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text("utf-8")


def test_the_page_names_every_option() -> None:
    group: Any = typer.main.get_command(app)
    options = [option for parameter in group.commands["mcp"].params for option in parameter.opts]
    assert len(options) > 15
    assert [option for option in options if f"`{option}" not in PAGE] == []


def test_the_configurations_are_json_that_starts_the_command() -> None:
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert [next(iter(block)) for block in blocks] == ["mcpServers", "inputs"]
    for block in blocks:
        server = block.get("mcpServers", block.get("servers"))["multimail"]
        assert server["command"] == "multimail"
        ran = run_inside(*server["args"])  # without a key: its arguments are right, and no more
        assert "MULTIMAIL_API_KEY is not set" in ran.err
        assert set(server["env"]) == {"MULTIMAIL_API_KEY"}


def test_the_names_in_it_are_those_in_the_code() -> None:
    assert f"`{CONVERSATION_HEADER}: NAME`" in PAGE
    assert f"`{FILES_META}`" in PAGE
    for resource in build_resources(AGENT_TOOLS).values():
        assert f"`{resource.template}`" in PAGE
