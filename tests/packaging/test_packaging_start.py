"""The start: what an import loads, by modules and not by time, and that late names are there."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import multimail
import multimail.sessions
import multimail.trust

PACKAGES = (multimail, multimail.trust, multimail.sessions)


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def promised(package: ModuleType) -> dict[str, str]:
    """Return each exported name with its module, as a type checker sees them."""
    tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    return {
        alias.name: f"{package.__name__}.{node.module}" if node.module else package.__name__
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
        if alias.name in package.__all__ and node.module
    }


def test_the_bare_package_loads_none_of_its_parts() -> None:
    ours = {name for name in loaded_by("import multimail") if name.startswith("multimail")}
    assert ours == {f"multimail{part}" for part in ("", "._lazy", "._version", ".errors")}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import multimail", {"httpx", "pydantic", "asyncio", "email"}),
        (
            "from multimail import MultiMail; MultiMail('mm_test_x')",
            {"asyncio", "sqlite3", "multimail.tools", "multimail.trust.policy"},
        ),
        (
            "from multimail.tools import Toolkit; Toolkit('mm_test_x')",
            {"asyncio", "sqlite3", "multimail._redis", "multimail.webhooks"},
        ),
        ("import multimail_cli.main", {"smtplib", "email", "mailbox", "importlib.metadata"}),
    ],
)
def test_unused_parts_are_not_imported(statement: str, absent: set[str]) -> None:
    assert not loaded_by(statement) & absent


def test_no_schema_is_built_by_an_import() -> None:
    code = (
        "import multimail.tools.schemas as m; from pydantic import BaseModel; "
        "assert not [one for one in vars(m).values() if isinstance(one, type) "
        "and issubclass(one, BaseModel) and one is not BaseModel and one.__pydantic_complete__]"
    )
    loaded_by(code)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_lazy_name_matches_its_type_declaration(package: ModuleType) -> None:
    names = promised(package)
    assert names
    for name, home in names.items():
        assert getattr(package, name) is getattr(import_module(home), name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_export_is_there_and_listed(package: ModuleType) -> None:
    code = f"from {package.__name__} import *; assert set({package.__all__!r}) <= set(globals())"
    loaded_by(code)
    loaded_by(f"import {package.__name__} as m; assert set(m.__all__) <= set(dir(m))")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        package.nonsense  # noqa: B018 - looking is what is tested


def test_other_names_of_the_clients_are_the_clients() -> None:
    assert multimail.Client is multimail.MultiMailClient is multimail.MultiMail


def test_parts_can_be_reached_through_the_bare_package() -> None:
    loaded_by("import multimail; multimail.errors.APIError; multimail.trust.TrustPolicy")
    loaded_by("import multimail; multimail.models.Email; multimail.endpoints.check_inbox")


def test_what_came_late_can_be_pickled() -> None:
    error = multimail.NotFoundError("There is no such thing", status_code=404)
    assert pickle.loads(pickle.dumps(error)).status_code == 404
