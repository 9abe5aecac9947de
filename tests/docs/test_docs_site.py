"""The site builds strictly, loads nothing from elsewhere, and has the project's pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_site import commands_page, tools_page
from docs_site.pages import generated, relinked
from tests.docs.blocks import ROOT
from typer.testing import CliRunner

from multimail import AsyncMultiMail, errors
from multimail._methods import ClientMethod, Methods
from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS
from multimail_cli.main import app

PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
MAX_PICTURE_BYTES = 300_000
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]+src=["']?(https?:[^"'\s>]+)|"""
    r"""<link[^>]+href=["']?(https?:[^"'\s>]+)|url\((https?:[^)]+)\)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as scripts/docs builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_page_exists_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {page.parent.name for page in pages} >= {"trust", "langchain", "tools", "changelog"}
    texts = [page.read_text("utf-8") for page in [*pages, *site.rglob("*.css")]]
    assert not [match[0] for text in texts for match in _LOADED.finditer(text)]


def test_the_reference_has_every_method_of_the_client(site: Path) -> None:
    page = (site / "reference" / "multimail" / "index.html").read_text("utf-8")
    methods = {name for name, value in vars(Methods).items() if isinstance(value, ClientMethod)}
    missing = {name for name in methods if f'id="multimail.MultiMail.{name}"' not in page}
    assert not missing
    assert f'id="{AsyncMultiMail.__module__.partition(".")[0]}.AsyncMultiMail"' in page
    assert not {name for name in errors.__all__ if f'id="multimail.errors.{name}"' not in page}


def test_the_reference_shows_a_toolkits_options_as_its_arguments(site: Path) -> None:
    page = (site / "reference" / "toolkits" / "index.html").read_text("utf-8")
    shown = re.sub(r"<[^>]+>", "", page.partition('id="crewai_multimail.MultiMailToolkit"')[2])
    signature = shown.partition(")")[0]
    for name in ("policy", "store", "on_decision", "include", "max_chars"):
        assert signature.count(f"{name}:") == 1


def test_the_tools_page_has_each_tool_with_its_description_and_arguments() -> None:
    page = tools_page.render()
    for spec in (*AGENT_TOOLS, *APPROVER_TOOLS):
        assert f"> {spec.description}" in page
        assert all(f"| `{name}` |" in page for name in spec.args.model_fields)


def test_the_errors_of_a_tool_are_found_in_its_code() -> None:
    errors = {spec.name: tools_page.own_errors(spec) for spec in (*APPROVER_TOOLS, *AGENT_TOOLS)}
    assert errors["decide_email"] == ["key_can_send", "not_seen", "withheld"]
    assert errors["wait_for_email"] == ["timeout"]
    assert errors["reply_email"] == ["refused_by_guard"]
    assert errors["list_mailboxes"] == []


def test_the_command_line_has_each_command() -> None:
    commands = re.findall(r"^### multimail (.+)$", commands_page.render(), re.MULTILINE)
    assert len(commands) == len(set(commands)) > 15
    for words in commands:
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0


def test_links_point_to_pages_of_the_site() -> None:
    text = "[a](../../docs/trust.md#x) [b](../crewai/README.md) [c](https://example.org) [d](#e)"
    page = relinked(text, "integrations/agno/README.md")
    assert page == "[a](../trust.md#x) [b](crewai.md) [c](https://example.org) [d](#e)"


def test_each_integration_has_a_page() -> None:
    named = {path.parent.name for path in ROOT.glob("integrations/*/README.md")}
    assert {f"frameworks/{name}.md" for name in named} <= set(generated())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_has_no_paths_or_keys(picture: Path) -> None:
    raw = picture.read_bytes()
    assert len(raw) < MAX_PICTURE_BYTES
    assert not re.search(rb"/home/|/root/|/tmp/|/work/|mm_(?:test|live)_\w", raw)
    if picture.suffix == ".svg":
        assert b"http" not in raw.replace(b"http://www.w3.org/", b"").replace(b"http://127", b"")


def test_the_architecture_picture_matches_its_source() -> None:
    source = (ROOT / "docs/pictures/architecture.dot").read_text("utf-8")
    drawn = (ROOT / "docs/pictures/architecture.svg").read_text("utf-8").replace("&#39;", "'")
    labels = re.findall(r'label="\s*([^"]+)"', source)
    assert labels
    assert not [line for label in labels for line in label.split("\\n") if line not in drawn]
    server = ROOT / "shared/multimail_server"
    cluster = source.partition("cluster_server")[2].partition("}")[0]
    nodes = re.findall(r"^ +(\w+) \[label=", cluster, re.MULTILINE)
    assert nodes
    assert not [node for node in nodes if not (server / node).is_dir()]
