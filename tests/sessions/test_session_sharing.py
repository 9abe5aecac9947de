"""Durable session stores: restarts, and several workers on one store."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

from tests.sessions.support import OpenStore, token

from multimail.trust import Assessment, Label, Taint

ROOT = Path(__file__).parents[2]
ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@evil.example"
PLAIN = Assessment(Label.UNAUTHENTICATED)
FORGED = Assessment(Label.FAILED)


def test_two_stores_share_their_data(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    first.merge_taint("s", Taint.from_assessment(PLAIN, [EVE]))
    second.declare("s", [ANN])
    first.add_known("box", [BOB])
    second.add_held("box", "msg", [EVE])
    assert (
        second.taint("s", [EVE]) == first.taint("s", [EVE]) == Taint.from_assessment(PLAIN, [EVE])
    )
    assert first.declared("s") == {ANN}
    assert second.known("box", [BOB]) == {BOB}
    assert first.held_to("box", [EVE], 1) == ["msg"]
    takers = [first, second, first, second]
    answers = [taker.count_send(token(str(n)), 3, 9) for n, taker in enumerate(takers)]
    assert answers == ["", "", "", "session"]


def test_data_survives_a_restart(open_store: OpenStore) -> None:
    first = open_store()
    first.merge_taint("s", Taint.from_assessment(FORGED, [EVE]))
    assert first.count_send(token("a"), 1, 9) == ""
    first.close()
    later = open_store()
    assert later.taint("s", [EVE]) == Taint.from_assessment(FORGED, [EVE])
    assert later.count_send(token("b"), 1, 9) == "session"


TAKE = """
import sys
from multimail.sessions import SendToken
from tests.sessions.support import open_store_at

store = open_store_at(sys.argv[1])
keys = [f"{sys.argv[2]}-{number}" for number in range(20)]
print(sum(store.count_send(SendToken("s", "t", key), 99, 11) == "" for key in keys))
store.close()
"""


def test_thread_limit_holds_across_processes(where: str) -> None:
    def worker(name: str) -> int:
        done = run(
            [sys.executable, "-c", TAKE, where, name],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(worker, "abc")) == 11


def test_concurrent_creation(open_store: OpenStore) -> None:
    start = threading.Barrier(6)

    def declare(number: int) -> None:
        start.wait()
        open_store().declare("s", [f"a{number}@x.example"])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(declare, range(6)))
    assert len(open_store().declared("s")) == 6
