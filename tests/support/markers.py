"""The markers of all tests, by where they stand: `pytest -m unit` runs what starts no server."""

from __future__ import annotations

from pathlib import Path

import pytest

DESCRIPTIONS = {
    "unit": "starts no server and no other process",
    "integration": "talks to a server, a database or another process on this machine",
    "frameworks": "runs an agent framework",
    "slow": "takes more than its share: proofs, fuzzing, browsers, built packages",
}
DIRECTORIES: dict[str, tuple[str, ...]] = {
    "browser": ("integration", "slow"),
    "cli": ("integration",),
    "client": ("unit",),
    "conformance": ("frameworks", "integration"),
    "docs": ("integration",),
    "examples": ("frameworks", "integration"),
    "frameworks": ("frameworks",),
    "guards": ("unit",),
    "imap": ("integration",),
    "langchain_adapter": ("frameworks",),
    "mail": ("unit",),
    "mcp_server": ("integration",),
    "mutation": ("unit",),
    "packaging": ("integration", "slow"),
    "proofs": ("integration", "slow"),
    "server": ("integration",),
    "sessions": ("unit",),
    "store": ("integration",),
    "tools": ("unit",),
    "trust": ("unit",),
    "typing": ("unit",),
}
_SLOW_FILES = ("test_fuzz_", "test_schemathesis", "test_webhook_worker")
_ROOT = Path(__file__).parents[1]


def register(config: pytest.Config) -> None:
    """Declare the markers, which `--strict-markers` asks for."""
    for name, description in DESCRIPTIONS.items():
        config.addinivalue_line("markers", f"{name}: {description}")


def mark(items: list[pytest.Item]) -> None:
    """Mark each test of this suite by its directory; a directory without an entry is an error."""
    for item in items:
        if item.path.is_relative_to(_ROOT):
            for name in _markers(item.path):
                item.add_marker(name)


def _markers(path: Path) -> tuple[str, ...]:
    names = DIRECTORIES[path.relative_to(_ROOT).parts[0]]
    return (*names, "slow") if path.name.startswith(_SLOW_FILES) else names
