"""The wheel: what a stranger installs, in an environment that has never seen this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=not _uv())
    python = folder / "bin" / "python"
    _install(python, str(wheel))
    yield python
    shutil.rmtree(folder, ignore_errors=True)


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {"multimail", "multimail_server", "multimail_cli", "langchain_multimail"}
    assert {f"{package}/py.typed" for package in packages} <= set(names)


def test_the_base_install_is_httpx_and_pydantic(clean: Path) -> None:
    code = """
import importlib.metadata as m, json, multimail, multimail.tools
print(json.dumps({"version": m.version("multimail"), "where": multimail.__file__,
                  "names": sorted(d.name.lower() for d in m.distributions())}))
"""
    facts = json.loads(_run(str(clean), "-c", code))
    assert not Path(facts["where"]).is_relative_to(ROOT)
    assert facts["version"] == multimail_version()
    assert not {"langchain-core", "starlette", "typer", "rich"} & set(facts["names"])


def test_the_extras_bring_a_working_server_and_tools(clean: Path, wheel: Path) -> None:
    _install(clean, f"multimail[langchain,server,cli] @ {wheel.as_uri()}")
    code = """
from langchain_multimail import MultiMailToolkit
from multimail_server import EmbeddedServer, ServerConfig

with EmbeddedServer(ServerConfig(port=0, smtp_port=0)) as server:
    tools = MultiMailToolkit(server.keys.agent, base_url=server.url).get_tools()
    send = next(tool for tool in tools if tool.name == "send_email")
    print(send.invoke({"to": ["ann@example.org"], "subject": "Hello", "body": "Hi"}))
"""
    assert _run(str(clean), "-c", code).startswith("Held for approval: msg_")
    multimail = str(clean.parent / "multimail")
    assert multimail_version() in _run(multimail, "--version")


def multimail_version() -> str:
    from multimail import __version__

    return __version__


def _install(python: Path, what: str) -> None:
    uv = _uv()
    if uv:
        _run(uv, "pip", "install", "--quiet", "--python", str(python), what)
    else:
        _run(str(python), "-m", "pip", "install", "--quiet", what)


def _uv() -> str | None:
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def _run(*command: str) -> str:
    keep = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=keep, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
