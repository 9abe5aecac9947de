"""scripts/release refuses before it builds anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## 1.2.3 (2026-12-01)\n\n## 1.3.0.dev0 (unreleased)\n"


def git(project: Path, *words: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=project, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a version, a changelog and the script."""
    for name in ("scripts/_env", "scripts/release"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "shared/multimail").mkdir(parents=True)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    git(tmp_path, "init", "--quiet")
    return tmp_path


def commit(project: Path, version: str) -> None:
    (project / "shared/multimail/_version.py").write_text(f'__version__ = "{version}"\n', "utf-8")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "x")


def get_refusal(project: Path, *options: str) -> str:
    result = subprocess.run(
        [project / "scripts/release", *options], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1, result.stderr
    assert not (project / "dist").exists()
    assert not (project / ".venv").exists()
    return result.stderr


def test_a_changed_tree_is_refused(project: Path) -> None:
    commit(project, "1.2.3")
    (project / "new.txt").write_text("x", "utf-8")
    assert "isn't clean" in get_refusal(project)


def test_a_tag_that_exists_is_refused(project: Path) -> None:
    commit(project, "1.2.3")
    git(project, "tag", "v1.2.3")
    assert "v1.2.3 exists" in get_refusal(project)


def test_a_development_version_is_refused(project: Path) -> None:
    commit(project, "1.3.0.dev0")
    assert "development version" in get_refusal(project)


@pytest.mark.parametrize("options", [(), ("--check",), ("--upload",)])
def test_a_version_without_a_changelog_is_refused(project: Path, options: tuple[str]) -> None:
    commit(project, "1.2.4")
    assert "no section for 1.2.4" in get_refusal(project, *options)


def test_an_unreleased_version_is_refused(project: Path) -> None:
    (project / "CHANGELOG.md").write_text("## 1.2.4 (unreleased)\n", "utf-8")
    commit(project, "1.2.4")
    assert "unreleased" in get_refusal(project)


def test_an_unknown_option_is_refused(project: Path) -> None:
    assert "unknown option --now" in get_refusal(project, "--now")
