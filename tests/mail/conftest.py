"""Fixtures for mail: keys, a zone that publishes them, and signed messages."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.downloads import get_download_directory

from multimail.trust.evidence import Authentication
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.compose import OutgoingMessage, compose
from multimail_server.mail.signing import generate_key, generate_rsa_key, sign_dkim, zone_lines

Key = tuple[bytes, str]
Check = Callable[..., Authentication]
_SCRIPTS = Path(__file__).with_name("second_opinions")


def message(**changes: object) -> OutgoingMessage:
    """Return an ordinary message with `changes`."""
    ordinary: dict[str, object] = {
        "message_id": "<one@example.com>",
        "date": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        "from_address": "ann@example.com",
        "from_name": "Ann",
        "to": ("bob@example.net",),
        "cc": (),
        "reply_to": None,
        "subject": "Lunch",
        "markdown": "Shall we have *lunch*?\n",
        "in_reply_to": None,
        "references": (),
        "attachments": (),
    }
    return OutgoingMessage(**(ordinary | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def key() -> Key:
    return generate_key()


@pytest.fixture
def make() -> Callable[..., OutgoingMessage]:
    return message


@pytest.fixture
def signed(key: Key) -> Callable[..., bytes]:
    """Sign a message as example.com, or as `domain`."""

    def sign(raw: bytes | None = None, domain: str = "example.com", pem: bytes = key[0]) -> bytes:
        plain = compose(message()) if raw is None else raw
        return sign_dkim(plain, domain=domain, selector="s1", private_key_pem=pem)

    return sign


@pytest.fixture
def check(key: Key, tmp_path: Path) -> Check:
    """Authenticate mail against a zone where the key is published for some domains."""

    def run(raw: bytes, *domains: str, record: str = "", **others: str) -> Authentication:
        text = record or key[1]
        names = [(f"s1._domainkey.{d}", text) for d in domains or ("example.com",)]
        names += [(name.replace("__", "."), value) for name, value in others.items()]
        path = tmp_path / "zone"
        path.write_text(zone_lines(names), "utf-8")
        return authenticate(raw, zone_resolver(path))

    return run


@pytest.fixture(scope="session")
def rsa_key() -> Key:
    """An RSA key of 1,024 bits, the shortest that verifies."""
    return generate_rsa_key(1024)


@pytest.fixture(scope="session")
def node(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """Run a script of `second_opinions` with its packages and return the JSON that it prints."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and the other parsers come from there")
    home = get_download_directory(pytestconfig, tmp_path_factory, "second_opinions")
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    # The processes of one run share the directory, and npm is not made for two at once.
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in _SCRIPTS.iterdir():
            shutil.copy(file, home)
        subprocess.run(install, cwd=home, check=True, timeout=300)

    def run(script: str, *arguments: str, given: str = "") -> Any:
        command = ["node", str(home / script), *arguments]
        result = subprocess.run(
            command, input=given, capture_output=True, text=True, check=True, timeout=300
        )
        return json.loads(result.stdout)

    return run
