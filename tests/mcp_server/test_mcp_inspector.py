"""MCP Inspector's command line, the protocol's own tool to look at servers, finds it in order."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.mcp_server.support import Command
from tests.support.downloads import get_download_directory

from multimail.tools import DEFAULT_TOOLS

VERSION = "2.12.0"
PACKAGE = f"@modelcontextprotocol/inspector@{VERSION}"


@pytest.fixture(scope="session")
def inspector(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install MCP Inspector."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, and MCP Inspector comes from there")
    folder = get_download_directory(pytestconfig, tmp_path_factory, f"mcp-inspector-{VERSION}")
    program = folder / "node_modules" / ".bin" / "mcp-inspector"
    if not program.exists():
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run([npm, "install", *options, "--prefix", str(folder), PACKAGE], check=True)
    return program


def look(inspector: Path, target: list[str], *options: str, **more: Any) -> Any:
    done = subprocess.run(
        [str(inspector), "--cli", *target, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def stdio_target(command: Command, tmp_path: Path) -> list[str]:
    """Return what makes the inspector start the command; it takes no arguments with a dash."""
    program = tmp_path / "multimail"
    words = " ".join(f"'{argument}'" for argument in command.arguments()[:-1])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
    program.chmod(0o755)
    names = ("MULTIMAIL_API_KEY", "MULTIMAIL_API_URL", "PYTHONPATH")
    given = {name: command.environment[name] for name in names if name in command.environment}
    settings = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    return [*settings, str(program), "mcp"]


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_inspector_lists_calls_and_reads(
    inspector: Path, command: Command, tmp_path: Path, transport: str
) -> None:
    mail = command.box.receive("Is it ready?")
    if transport == "stdio":
        target = stdio_target(command, tmp_path)
    else:
        target = [command.endpoint(), "--transport", "http"]
    tools = look(inspector, target, "--method", "tools/list")["tools"]
    assert [tool["name"] for tool in tools] == [spec.name for spec in DEFAULT_TOOLS]
    assert [tool["inputSchema"] for tool in tools] == [spec.schema() for spec in DEFAULT_TOOLS]
    arguments = ("--method", "tools/call", "--tool-name", "read_email")
    read = look(inspector, target, *arguments, "--tool-arg", f"email_id={mail['id']}")
    assert "Is it ready?" in read["content"][0]["text"]
    templates = look(inspector, target, "--method", "resources/templates/list")
    assert len(templates["resourceTemplates"]) == 2
