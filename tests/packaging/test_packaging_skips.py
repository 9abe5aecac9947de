"""An unexpected skip fails a run, in one process and in several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="{reason}")
def test_is_skipped():
    pass
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "pytest", "-q", "-p", "tests.support.expected_skips", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, *command, *options, f"--rootdir={folder}", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "a worker"])
@pytest.mark.parametrize(
    ("reason", "status"), [("the package is missing", 1), ("npm is not installed", 0)]
)
def test_the_reason_decides(
    reason: str, status: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(MODULE.format(reason=reason), "utf-8")
    result = run_pytest(tmp_path, *options)
    assert result.returncode == status, result.stdout + result.stderr
    assert ("UNEXPECTED SKIP" in result.stdout) is bool(status)
    assert reason in result.stdout


def test_a_module_that_is_skipped_counts(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\npytest.importorskip('no_such')\n", "utf-8")
    (tmp_path / "test_other.py").write_text("def test_runs():\n    pass\n", "utf-8")
    result = run_pytest(tmp_path)
    assert result.returncode == 1
    assert "UNEXPECTED SKIP" in result.stdout
