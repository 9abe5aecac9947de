"""The wheel, installed in a new environment."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from tests.packaging.environments import Environment, run

from multimail import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("clean"))
    environment.install(str(wheel))
    return environment


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {
        *("multimail", "multimail_server", "multimail_cli", "multimail_mcp", "langchain_multimail"),
        *("crewai_multimail", "smolagents_multimail", "agno_multimail"),
        *("autogen_multimail", "semantic_kernel_multimail", "pydantic_ai_multimail"),
        "openai_agents_multimail",
        "agent_framework_multimail",
        "google_adk_multimail",
        "llama_index_multimail",
    }
    assert {f"{package}/py.typed" for package in packages} <= set(names)


def test_the_base_install_is_httpx_and_pydantic(clean: Environment) -> None:
    code = """
import importlib.metadata as m, json, multimail, multimail.tools
print(json.dumps({"version": m.version("multimail"), "where": multimail.__file__,
                  "names": sorted(d.name.lower() for d in m.distributions())}))
"""
    facts = json.loads(clean.execute(code))
    assert not Path(facts["where"]).is_relative_to(ROOT)
    assert facts["version"] == __version__
    assert not {"langchain-core", "starlette", "typer", "rich"} & set(facts["names"])


def test_the_extras_bring_a_working_server_and_tools(clean: Environment, wheel: Path) -> None:
    clean.install(f"multimail[langchain,server,cli] @ {wheel.as_uri()}")
    code = """
import httpx
from langchain_multimail import MultiMailToolkit
from multimail_server import EmbeddedServer, ServerConfig

with EmbeddedServer(ServerConfig(port=0, smtp_port=0)) as server:
    tools = MultiMailToolkit(server.keys.agent, base_url=server.url).get_tools()
    send = next(tool for tool in tools if tool.name == "send_email")
    assert "Sign in to decide" in httpx.get(server.url).text
    print(send.invoke({"to": ["ann@example.org"], "subject": "Hello", "body": "Hi"}))
"""
    assert clean.execute(code).startswith("Held for approval: msg_")
    assert __version__ in run(str(clean.bin / "multimail"), "--version")
