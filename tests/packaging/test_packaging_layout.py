"""Layout: no folder shadows a package, the core imports nothing heavy, and layers hold."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.frameworks.apart import marks

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {
    "langchain": ("langchain", "langchain_core", "langgraph"),
    "crewai": ("crewai",),
    "smolagents": ("smolagents",),
    "agno": ("agno",),
    "autogen": ("autogen_core", "autogen_agentchat"),
    "semantic_kernel": ("semantic_kernel",),
    "pydantic_ai": ("pydantic_ai",),
    "openai_agents": ("agents",),
    "agent_framework": ("agent_framework",),
    "google_adk": ("google.adk",),
    "llama_index": ("llama_index.core",),
}
MODULES = [
    pytest.param(module, marks=marks(framework))
    for framework, modules in FRAMEWORKS.items()
    for module in modules
]
HEAVY = (
    "agno",
    "crewai",
    "langchain_core",
    "multimail_cli",
    "smolagents",
    "mcp",
    "starlette",
    "uvicorn",
    "typer",
    "aiosmtpd",
    "redis",
    "multimail_server",
)


@pytest.mark.parametrize("module", MODULES)
def test_a_framework_is_the_installed_one(module: str) -> None:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    outside = ROOT / "integrations"
    assert places
    assert not any(Path(place).is_relative_to(outside) for place in places if place)


@pytest.mark.parametrize("name", ["__init__.py", "conftest.py"])
def test_no_file_turns_an_integrations_folder_into_a_package(name: str) -> None:
    integrations = ROOT / "integrations"
    assert not (integrations / name).exists()
    assert not [folder for folder in integrations.iterdir() if (folder / name).exists()]


def test_importing_the_core_loads_neither_a_framework_nor_the_server() -> None:
    code = "import sys, multimail, multimail.tools; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "multimail.tools" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


PROGRAMS = ("multimail_server", "multimail_cli", "multimail_mcp")
FLOORS = {
    "shared/multimail/trust": ("_call", "_client", "_execution", "endpoints", "tools"),
    "shared/multimail/endpoints": ("_client", "_execution", "_methods", "tools"),
    "shared/multimail/tools": ("multimail_server", "multimail_cli"),
    "shared/multimail": (*PROGRAMS, "langchain_multimail"),
    "shared/multimail_server": ("multimail_cli", "multimail._client", "multimail.tools"),
    "shared/multimail_server/mail": ("store", "services", "workers", "api", "pages", "smtp"),
    "shared/multimail_server/store": ("mail", "services", "workers", "api", "pages", "smtp"),
    "shared/multimail_server/services": ("workers", "api", "pages", "smtp"),
    "shared/multimail_server/workers": ("api", "pages", "smtp"),
    "shared/multimail_mcp": ("multimail_cli", "multimail_server"),
    **{
        f"integrations/{name}": (
            *PROGRAMS,
            *(f"{other}_multimail" for other in FRAMEWORKS if other != name),
        )
        for name in FRAMEWORKS
    },
}


@pytest.mark.parametrize("floor", FLOORS)
def test_no_import_runs_upward(floor: str) -> None:
    folder = ROOT / floor
    upward = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in folder.rglob("*.py")
        for name in _imports(path)
        for above in FLOORS[floor]
        if name == above or name.startswith(f"{above}.") or f".{above}" in f".{name}."
        if _is_module(name, above)
    ]
    assert list(folder.rglob("*.py"))
    assert not upward


def test_the_server_imports_no_test_support() -> None:
    server = ROOT / "shared" / "multimail_server"
    importing = [
        f"{path.relative_to(server)} imports {name}"
        for path in server.rglob("*.py")
        if not path.is_relative_to(server / "testing")
        for name in _imports(path)
        if _is_module(name, "testing")
    ]
    assert not importing


def _is_module(name: str, above: str) -> bool:
    parts, wanted = name.split("."), above.split(".")
    return any(parts[i : i + len(wanted)] == wanted for i in range(len(parts)))


def _imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names += [f"{base}.{alias.name}".strip(".") for alias in node.names]
    return names
