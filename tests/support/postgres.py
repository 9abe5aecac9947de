"""A temporary PostgreSQL server for tests, on loopback."""

from __future__ import annotations

import getpass
import importlib.util
import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import psycopg

PASSWORD = "p/a:s@s%w0rd"
QUOTED = "p%2Fa%3As%40s%25w0rd"
_NUMBERS = itertools.count(1)


def binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl of the newest version; None if there is none."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: int(path.parent.parent.name), default=None)
    return newest.parent if newest else None


def missing() -> str | None:
    """Return why the tests of PostgreSQL are skipped; None if they can run."""
    if sys.platform == "win32":
        return "The tests start PostgreSQL as POSIX systems do"
    if binaries() is None:
        return "PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed: it is in the extra `postgres`"
    return None


class Cluster:
    """A PostgreSQL server with an empty data folder, without fsync; a context manager."""

    def __init__(self) -> None:
        folder = binaries()
        assert folder is not None
        self._binaries = folder
        # PostgreSQL refuses to run as root.
        self._user = getpass.getuser() if os.getuid() else _unprivileged_user()
        self._folder = Path(tempfile.mkdtemp(prefix="multimail-pg-"))
        self._data = self._folder / "data"
        self.port = free_port()

    def start(self) -> None:
        """Start it; return when it takes connections."""
        settings = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._folder} -c fsync=off"
        more = "-c max_connections=200 -c timezone=UTC"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", f"{settings} {more}")

    def stop(self) -> None:
        """End it as a crash does; connections break, and the data is kept."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def demote(self) -> None:
        """Crash, and come back as a standby, which reads and writes nothing."""
        self.stop()
        (self._data / "standby.signal").touch()
        self.start()

    def promote(self) -> None:
        """Make the standby the primary."""
        self._run("pg_ctl", "promote", "-w", "-D", self._data)

    def _connect_as_admin(self) -> psycopg.Connection[Any]:
        # Imported here: the environments of other frameworks have these fixtures, without psycopg.
        import psycopg

        return psycopg.connect(self.url("postgres"), autocommit=True)

    def new_database(self, template: str = "ENCODING 'UTF8'") -> str:
        """Return the URL of a new, empty database."""
        name = f"mail_{next(_NUMBERS)}"
        with self._connect_as_admin() as connection:
            sql = f"CREATE DATABASE {name} TEMPLATE template0 {template}"
            connection.execute(sql.encode())
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, even if it has connections."""
        name = url.rpartition("/")[2]
        with self._connect_as_admin() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, name: str, password: str = QUOTED) -> str:
        """Return a URL with a password in it."""
        return f"postgresql://multimail:{password}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            check=True,
            user=self._user if not os.getuid() else None,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if not os.getuid():
            shutil.chown(self._folder, self._user)
            shutil.chown(password, self._user)
        access = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}")
        self._run("initdb", "-D", self._data, "-U", "multimail", "-E", "UTF8", "--no-sync", *access)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with suppress(subprocess.CalledProcessError):  # a test that failed had stopped it
            self.stop()
        shutil.rmtree(self._folder)


def free_port() -> int:
    """Return a free port below those of outgoing connections, which stays free after a stop."""
    while True:
        port = random.randint(15_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _unprivileged_user() -> str:
    import pwd  # POSIX alone has it

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
