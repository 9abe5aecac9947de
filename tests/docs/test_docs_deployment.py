"""The deployment page: its backup can be restored, and systemd accepts its unit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.docs.blocks import read_blocks
from tests.docs.shell import check
from tests.support.engines import DEPLOY

from multimail_server import ServerConfig
from multimail_server.config import MAX_MESSAGE_BYTES
from multimail_server.testing.server import ServerUnderTest

BLOCKS = read_blocks("docs/deployment.md")
_RUN = "from multimail_cli.main import run; run()"


def get_text(words: str) -> str:
    (text,) = [block.text for block in BLOCKS if words in block.text]
    return text


def test_the_unit_uses_options_that_exist() -> None:
    lines = get_text("[Service]\nUser=multimail\nEnvironmentFile").splitlines()
    (command,) = [line.partition("=")[2] for line in lines if line.startswith("ExecStart=")]
    check(shlex.join(["multimail", *shlex.split(command)[1:]]))


def test_the_relay_of_the_environment_file_is_the_servers(tmp_path: Path) -> None:
    (name,) = re.findall(r"^(\w+)=", get_text("MULTIMAIL_RELAY="), re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "serve", "--memory", "--port", "0", "--smtp-port", "0"],
        env={**os.environ, name: "no relay"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "relay URL" in done.stderr


def test_wrong_keys_are_counted_by_the_proxys_client() -> None:
    names = re.findall(r"proxy_set_header (X-\S+)", get_text("proxy_pass"))
    public = "https://mail.example.com"

    def sign_in(client: httpx.Client, address: str) -> int:
        headers = {
            "Host": "mail.example.com",
            "Origin": public,
            "X-Forwarded-For": address,
            "X-Forwarded-Proto": "https",
        }
        assert set(names) <= set(headers)
        return client.post("/sign-in", data={"key": "wrong"}, headers=headers).status_code

    config = ServerConfig(port=0, smtp_port=0, public_url=public, trusted_proxies="127.0.0.1")
    with ServerUnderTest(config) as server, httpx.Client(base_url=server.url) as proxy:
        answers = [sign_in(proxy, "203.0.113.7") for _ in range(11)]
        assert (answers[0], answers[-1]) == (401, 429)
        assert sign_in(proxy, "203.0.113.8") == 401


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "multimail.service"
    # Replace the program: systemd checks that it exists.
    unit.write_text(
        get_text("[Service]\nUser=multimail\nEnvironmentFile").replace(
            "/opt/multimail/bin/multimail", sys.executable
        )
    )
    result = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert "Unknown" not in result.stderr
    assert result.returncode == 0, result.stderr


def test_compose_gives_each_program_the_files_and_options_of_the_test() -> None:
    yaml = pytest.importorskip("yaml", reason="it is in the extra `dev`")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    services = compose["services"]
    assert services["first"] == services["second"]
    build = compose["x-server"]["build"]["dockerfile_inline"]
    (install,) = re.findall(r"pip install --no-cache-dir (.+?) &&", build.replace("\\\n", " "))
    check(f"pip install {install}".replace("/source[", ".["))
    words = services["first"]["command"].split()
    # The same words, with a value for each variable.
    check(re.sub(r"\$\{\w+:\?\}", "x.test", shlex.join(words).replace("'", "")))
    mounted = [volume for service in services.values() for volume in service.get("volumes", [])]
    files = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert sorted(files) == ["./haproxy.cfg", "./postfix"]
    assert all((DEPLOY / name).exists() for name in files)
    subnet = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    main = (DEPLOY / "postfix" / "main.cf").read_text("utf-8")
    assert f"multimail_networks = {subnet}\n" in main
    assert f"message_size_limit = {MAX_MESSAGE_BYTES}\n" in main
