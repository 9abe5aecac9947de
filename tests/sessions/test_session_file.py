"""The session store in a file: it outlives its process, and many share it."""

from __future__ import annotations

import sqlite3
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

import pytest
from tests.sessions.sends import OpenStore, token

from multimail.sessions import SqliteSessionStore
from multimail.trust import Assessment, Label, Taint

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@evil.example"
PLAIN = Assessment(Label.UNAUTHENTICATED)
FORGED = Assessment(Label.FAILED)


def test_two_that_open_one_file_know_the_same(
    open_store: OpenStore,
) -> None:
    one, two = open_store(), open_store()
    one.grow_taint("s", Taint.by(PLAIN, [EVE]))
    two.declare("s", [ANN])
    one.add_known("box", [BOB])
    two.note_held("box", "msg", [EVE])
    assert two.taint("s", [EVE]) == one.taint("s", [EVE]) == Taint.by(PLAIN, [EVE])
    assert one.declared("s") == {ANN}
    assert two.known("box", [BOB]) == {BOB}
    assert one.held_to("box", [EVE], 1) == ["msg"]
    takers = [one, two, one, two]
    answers = [taker.take_send(token(str(n)), 3, 9) for n, taker in enumerate(takers)]
    assert answers == ["", "", "", "session"]


def test_it_outlives_its_process(open_store: OpenStore) -> None:
    first = open_store()
    first.grow_taint("s", Taint.by(FORGED, [EVE]))
    assert first.take_send(token("a"), 1, 9) == ""
    first.close()
    later = open_store()
    assert later.taint("s", [EVE]) == Taint.by(FORGED, [EVE])
    assert later.take_send(token("b"), 1, 9) == "session"


TAKE = """
import sys
from multimail.sessions import SendToken, SqliteSessionStore

store = SqliteSessionStore(sys.argv[1])
keys = [f"{sys.argv[2]}-{number}" for number in range(20)]
print(sum(store.take_send(SendToken("s", "t", key), 99, 11) == "" for key in keys))
store.close()
"""


def test_exactly_the_cap_is_taken_by_processes_at_once(file: Path) -> None:
    def worker(name: str) -> int:
        done = run(
            [sys.executable, "-c", TAKE, str(file), name],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(worker, "abc")) == 11


def test_a_new_file_may_be_opened_by_many_at_once(
    open_store: OpenStore,
) -> None:
    start = threading.Barrier(6)

    def opened(number: int) -> None:
        start.wait()
        open_store().declare("s", [f"a{number}@x.example"])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(opened, range(6)))
    assert len(open_store().declared("s")) == 6


def test_only_its_owner_may_read_it(file: Path, open_store: OpenStore) -> None:
    open_store().declare("s", [ANN])
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    assert file.name in modes
    assert set(modes.values()) == {0o600}


def test_a_file_that_is_no_database_is_an_error(file: Path) -> None:
    file.write_bytes(b"This is no database, and long enough to be seen as none." * 20)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteSessionStore(file)
    assert file.read_bytes().startswith(b"This is no database")
