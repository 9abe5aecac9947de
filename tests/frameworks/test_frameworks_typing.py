"""Types of the adapters whose frameworks have their own environments, which scripts/check has not.

All that is about such a framework is checked there, by mypy and pyright, in one run of each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.frameworks.apart import APART, marks

# Semantic Kernel is large, and nothing of it is known at the first run.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
MISTAKES = """\
from {framework}_multimail import MultiMailToolkit
toolkit = MultiMailToolkit()
toolkit.get_{what}(7)
toolkit.get_{what}().lenght
MultiMailToolkit(max_chars="8")
"""


@pytest.fixture(scope="module", params=[pytest.param(name, marks=marks(name)) for name in APART])
def framework(request: pytest.FixtureRequest) -> str:
    """A framework with an environment of its own."""
    return str(request.param)


@pytest.fixture(scope="module")
def mistakes(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code with a mistake in each line from the third on."""
    path = tmp_path_factory.mktemp("typing") / "mistakes.py"
    what = {"autogen": "workbench", "semantic_kernel": "plugin"}.get(framework, "tools")
    path.write_text(MISTAKES.format(framework=framework, what=what))
    return path


def errors(*command: str) -> list[str]:
    """Run a checker on this checkout and return its errors, one line each."""
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line.strip() for line in done.stdout.splitlines() if " error: " in line]


def expect_only(lines: list[str], mistakes: Path) -> None:
    """Assert that a checker complains of the mistakes and of nothing else."""
    assert [line for line in lines if mistakes.name not in line] == []
    assert {int(line.split(f"{mistakes.name}:")[1].split(":")[0]) for line in lines} == {3, 4, 5}


def test_mypy_finds_mistakes_in_the_use_of_an_adapter_and_none_in_it(
    framework: str, mistakes: Path
) -> None:
    package = ROOT / "integrations" / framework / f"{framework}_multimail"
    assert (package / "py.typed").exists()
    cache = f"--cache-dir={Path(sys.prefix) / '.mypy_cache'}"
    expect_only(errors("mypy", "--strict", cache, str(package), str(mistakes)), mistakes)


def test_pyright_finds_none_in_all_that_is_about_it(framework: str, mistakes: Path) -> None:
    places = [
        path
        for folder in ("integrations", "tests", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if framework in str(path.relative_to(ROOT))
    ]
    assert len(places) > 5
    # The project's own configuration names the project's own environment, and excludes all this.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pyright"]
    config = {
        "include": [str(path) for path in (*places, mistakes)],
        "extraPaths": [str(ROOT), *(str(ROOT / path) for path in project["extraPaths"])],
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
        **{name: project[name] for name in ("pythonVersion", "typeCheckingMode")},
    }
    settings = mistakes.with_name("pyrightconfig.json")
    settings.write_text(json.dumps(config))
    expect_only(errors("pyright", "--project", str(settings)), mistakes)
