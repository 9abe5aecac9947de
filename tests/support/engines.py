"""Postfix, HAProxy and PgBouncer as processes of a test, on loopback; `deploy/` has their files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.postgres import PASSWORD, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"


def require_program(name: str) -> str:
    """Return the path of a program; skip the test where it is not installed."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {name})")
    return path


@contextmanager
def running(
    *command: str | Path,
    ready: str,
    environment: Mapping[str, str] | None = None,
    user: str = "",
    stop: Sequence[str | Path] = (),
) -> Iterator[list[str]]:
    """Run a program from the line that contains `ready` on; give the lines that it writes.

    Args:
        stop: The command that ends it, for one that leaves SIGTERM to the shell that started it.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
        user=user or None,
    )
    assert process.stdout is not None
    lines: list[str] = []
    is_ready = threading.Event()

    def listen() -> None:
        for line in process.stdout or ():
            lines.append(line)
            if ready in line:
                is_ready.set()
        is_ready.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    try:
        assert is_ready.wait(60), f"{command[0]} is not ready: {''.join(lines)}"
        assert process.poll() is None, f"{command[0]} has ended: {''.join(lines)}"
        yield lines
    finally:
        if not stop or subprocess.run(stop, check=False, capture_output=True).returncode:
            process.terminate()
        process.wait(60)
        reader.join()
        process.stdout.close()


@contextmanager
def running_haproxy(**addresses: str) -> Iterator[list[str]]:
    """Run HAProxy with the addresses that its configuration reads from its environment."""
    program = require_program("haproxy")
    command = (program, "-W", "-db", "-f", DEPLOY / "haproxy.cfg")
    with running(*command, ready="Loading success", environment=addresses) as lines:
        yield lines


@contextmanager
def running_postfix(receives: int, submits: int, **settings: str) -> Iterator[list[str]]:
    """Run Postfix on two ports of loopback, with settings in place of those of its file."""
    program = require_program("postfix")
    if os.getuid():
        pytest.skip("Postfix is started by root alone")
    # Its own user must be able to reach it, unlike pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="multimail-postfix-"))
    folder.chmod(0o755)
    try:
        _configure_postfix(folder, receives, submits, settings)
        command, stop = (program, "-c", folder, "start-fg"), (program, "-c", folder, "stop")
        with running(*command, ready="daemon started", stop=stop) as lines:
            yield lines
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_pgbouncer(database: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode, with three connections; give a URL by way of it."""
    program = require_program("pgbouncer")
    parts, port = urlsplit(database), free_port()
    name = parts.path.strip("/")
    target = f"host={parts.hostname} port={parts.port} password='{PASSWORD}'"
    folder = Path(tempfile.mkdtemp(prefix="multimail-pgbouncer-"))
    folder.chmod(0o755)
    settings = (
        f"[databases]\n{name} = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
        "default_pool_size = 3\nmax_client_conn = 200\nignore_startup_parameters = options\n"
        "server_login_retry = 1\n"
    )
    (folder / "pgbouncer.ini").write_text(settings.replace(target, f"{target} user=multimail"))
    user = "postgres" if not os.getuid() else ""
    try:
        with running(program, folder / "pgbouncer.ini", ready="process up", user=user):
            yield f"postgresql://multimail@127.0.0.1:{port}/{name}?pool_mode=transaction"
    finally:
        shutil.rmtree(folder)


def _configure_postfix(
    folder: Path, receives: int, submits: int, settings: Mapping[str, str]
) -> None:
    for name in ("main.cf", "master.cf"):
        shutil.copy(DEPLOY / "postfix" / name, folder)
    master = (folder / "master.cf").read_text()
    for port, own in (("25", receives), ("587", submits)):
        assert f"\n{port} " in master
        master = master.replace(f"\n{port} ", f"\n127.0.0.1:{own} ")
    (folder / "master.cf").write_text(master)
    (folder / "queue").mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    own_settings = {
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        **settings,
    }
    lines = [f"{name}={value}" for name, value in own_settings.items()]
    subprocess.run([require_program("postconf"), "-c", folder, "-e", *lines], check=True)
