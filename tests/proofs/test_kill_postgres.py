"""Nothing lost, with two servers on one PostgreSQL database: each is killed under its own load.

While one is dead the other goes on, and hands over what the dead one had begun.
MULTIMAIL_DATABASE_KILLS says how often (20), MULTIMAIL_SEED repeats a run's moments.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.proofs.killing import Plan
from tests.proofs.ledger import Entry
from tests.proofs.load import Keys
from tests.proofs.receiver import Receiver
from tests.proofs.served import Nursery
from tests.proofs.sink import HandOver, Sink
from tests.proofs.test_kill import SEED, Proof, check_hand_overs

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(900),
]

KILLS = int(os.environ.get("MULTIMAIL_DATABASE_KILLS", "20"))


class Pair:
    """What two proofs on one database have to know of each other."""

    def __init__(self) -> None:
        self.proofs: list[SharedProof] = []
        self.hand_overs: list[HandOver] = []

    def entries(self) -> dict[str, Entry]:
        """Return all that was asked of either server, by token."""
        return {
            token: entry
            for proof in self.proofs
            for token, entry in list(proof.ledger.entries.items())
        }


class SharedProof(Proof):
    """A `Proof` whose server has its database, but not its load, in common with another."""

    def __init__(
        self, pair: Pair, nursery: Nursery, sink: Sink, receiver: Receiver, folder: Path, url: str
    ) -> None:
        super().__init__(nursery, sink, receiver, folder)
        at = self._options.index("--data")
        self._options = (*self._options[:at], "--database", url, *self._options[at + 2 :])
        self._pair = pair
        sink.run = 1000 * len(pair.proofs)
        pair.proofs.append(self)

    def found(self) -> Keys:
        """Make the account, with one start that is killed when it is ready."""
        served = self._nursery.begin(*self._options)
        self._open(served).close()
        served.kill()
        self._nursery.await_end()
        return self._keys

    def run(self, keys: Keys, plans: list[Plan]) -> None:
        """Kill this server as often as there are plans; keep it to what it acknowledged."""
        self._keys = keys
        for plan in plans:
            self.kill_once(plan)

    def _handed_over(self, one: HandOver) -> None:
        self._pair.hand_overs.append(one)
        super()._handed_over(one)

    def _entry_of(self, one: HandOver) -> Entry | None:
        return self._pair.entries().get(one.token)


def plans(dice: random.Random) -> list[Plan]:
    """Return one server's plans; nobody subscribes to events here, so none waits for one."""
    rolled = (Plan.roll(dice) for _ in itertools.count())
    return list(itertools.islice((one for one in rolled if "webhook" not in one.at), KILLS // 2))


def test_two_servers_killed_at_any_moment_lose_nothing(tmp_path: Path, database_url: str) -> None:
    print(f"MULTIMAIL_SEED={SEED} MULTIMAIL_DATABASE_KILLS={KILLS}")
    dice = random.Random(SEED)
    pair = Pair()
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    with ExitStack() as stack:
        for log in logs:
            sink, receiver = stack.enter_context(Sink()), stack.enter_context(Receiver())
            nursery = stack.enter_context(Nursery(log))
            SharedProof(pair, nursery, sink, receiver, tmp_path, database_url)
        keys = pair.proofs[0].found()
        rolled = [plans(dice) for _ in pair.proofs]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda proof, mine: proof.run(keys, mine), pair.proofs, rolled))
        first = pair.proofs[0]
        first.ledger.entries.update(pair.entries())
        first.finish()
        assert not any(proof.unapproved or proof.early for proof in pair.proofs)
        check_hand_overs(pair.hand_overs, pair.entries().values())
    assert [log.read_text() for log in logs] == ["", ""], "the servers had something to complain of"
    again = len(pair.hand_overs) - len({one.token for one in pair.hand_overs})
    print(
        f"{len(pair.entries())} messages, {len(pair.hand_overs)} hand-overs, {again} of them again"
    )
    # A proof in which nothing was cut off proves nothing.
    assert again > 0
